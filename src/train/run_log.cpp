#include "run_log.h"

#include <cerrno>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/loss/metrics.h"

namespace emotion {
namespace {

/// The lines whose step is at most `step`, without an evaluation after it that is due once more; a half-written last line goes
/// too.
std::string lines_up_to(const std::string& text, std::int64_t step, bool evaluated) {
  std::string kept;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;
    const std::string line = text.substr(begin, end + 1 - begin);
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const bool known = json.is_object() && json.contains("step") && json["step"].is_number();
    const std::int64_t at = known ? json["step"].get<std::int64_t>() : step + 1;
    const bool repeated = at == step && !evaluated && json.contains("split") && json["split"] == "val";
    if (at <= step && !repeated) kept += line;
    begin = end + 1;
  }
  return kept;
}

}  // namespace

RunLog::RunLog(const std::filesystem::path& run, std::int64_t step, bool evaluated) : file_(run / "metrics.jsonl") {
  const std::string kept = step >= 0 && std::filesystem::exists(file_) ? lines_up_to(read_file(file_), step, evaluated) : "";
  write_file_atomically(file_, kept);
  out_.open(file_, std::ios::binary | std::ios::app);
  events_ = std::make_unique<EventWriter>(run, step);
}

void RunLog::write(const std::string& split, std::int64_t step, std::int64_t epoch,
                   const std::vector<std::pair<std::string, double>>& values) {
  nlohmann::ordered_json line{{"split", split}, {"step", step}, {"epoch", epoch}};
  for (const auto& [name, value] : values) {
    line[name] = std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
    if (std::isfinite(value)) events_->add_scalar(split + "/" + name, step, value);
  }
  out_ << line.dump() << std::endl;
  if (!out_) throw RunError(fmt::format("{}: cannot be written: {}", file_.string(), std::strerror(errno)));
  events_->flush();
}

std::string progress_text(const std::vector<std::pair<std::string, double>>& values) {
  std::string text;
  for (const auto& [name, value] : values) {
    if (name == "samples_per_second")
      text += fmt::format("{:.0f} img/s  ", value);
    else if (name == "data_wait")
      text += fmt::format("waiting {:.0f} %", 100 * value);
    else
      text += fmt::format("{} {:.4g}  ", name, value);
  }
  return text;
}

std::string epoch_text(const std::string& epoch, std::int64_t step, std::optional<double> train_loss,
                       const std::vector<std::pair<std::string, double>>& validation) {
  std::string text = fmt::format("{}  step {}", epoch, step);
  if (train_loss) text += fmt::format("  train loss {}", metric_text(*train_loss));
  const char* kind = "  val ";
  for (const auto& [name, value] : validation) {
    text += fmt::format("{}{} {}", kind, name, metric_text(value));
    kind = "  ";
  }
  return text;
}

}  // namespace emotion
