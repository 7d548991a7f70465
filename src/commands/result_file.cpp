#include "result_file.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/utf8.h"
#include "emotion/io/writable.h"
#include "emotion/print.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

struct Form {
  std::string_view what, ending;
};

Form describe(ResultForm form) {
  switch (form) {
    case ResultForm::kJson: return {"JSON is", ".json"};
    case ResultForm::kPage: return {"an HTML page is", ".html"};
    case ResultForm::kTensors: return {"safetensors are", ".safetensors"};
    case ResultForm::kIndex: break;
  }
  return {"a search index is", ".search"};
}

/// Endings that promise a form.
constexpr std::array<std::string_view, 19> kPromises{".json", ".html", ".htm", ".safetensors", ".npy", ".npz", ".csv",
                                                     ".tsv",  ".pth",  ".pt",  ".onnx",        ".pkl", ".h5",  ".xlsx",
                                                     ".pdf",  ".png",  ".jpg", ".jpeg",        ".yaml"};

}  // namespace

void check_result_name(std::string_view flag, const std::string& file, ResultForm form) {
  const auto [what, own] = describe(form);
  if (file == "-" && form != ResultForm::kJson) throw ConfigError(fmt::format("{} -: {} written; a file is wanted", flag, what));
  const std::string ending = small_letters(fs::path(file).extension().string());
  if (ending == own || (ending == ".htm" && form == ResultForm::kPage)) return;
  if (std::find(kPromises.begin(), kPromises.end(), ending) == kPromises.end()) return;
  throw ConfigError(fmt::format("{} {}: {} written, which {} does not say; name it {}", flag, file, what, ending, own));
}

void check_result_file(std::string_view flag, const std::string& file, ResultForm form) {
  if (file.empty()) return;
  check_result_name(flag, file, form);
  if (file != "-") check_writable_file(file);
}

void check_result_beside(std::string_view flag, const std::string& file, ResultForm form, const std::string& out) {
  const auto plain = [](const fs::path& folder) { return (fs::absolute(folder) / "").lexically_normal(); };
  const fs::path folder = fs::path(file).parent_path();
  if (!out.empty() && !folder.empty() && plain(folder) == plain(out)) {
    check_result_name(flag, file, form);
  } else {
    check_result_file(flag, file, form);
  }
}

void write_json_result(const std::string& file, std::string_view json) {
  if (file == "-") {
    print_text(json);
  } else {
    write_file_atomically(file, json);
  }
}

}  // namespace emotion
