#include "inputs.h"

#include <exception>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/train/checkpoint.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

void add_dataset(Contents& contents, const Input& input) {
  const Dataset dataset = Dataset::open(input.path);
  for (const auto& [split, file] : dataset.splits) {
    if (input.split.empty() || input.split == split) add_split(contents, dataset, split, input.parts);
  }
}

/// Nothing of what cannot be read: the command that wants it says what is wrong.
Contents look_at(const Input& input) {
  Contents contents;
  try {
    if (fs::exists(fs::path(input.path) / "dataset.yaml")) {
      add_dataset(contents, input);
    } else {
      contents[input.path] = file_hash(find_model_file(input.path));
    }
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception&) {
  }
  return contents;
}

}  // namespace

Contents KnownInputs::contents(const InputSet& inputs) {
  Contents all;
  for (const Input& input : inputs) {
    auto known = known_.find(input);
    if (known == known_.end()) known = known_.emplace(input, look_at(input)).first;
    all.insert(known->second.begin(), known->second.end());
  }
  return all;
}

std::string KnownInputs::changed(const fs::path& note, const InputSet& inputs) {
  if (!fs::exists(note)) return "";
  return fmt::format("{}", fmt::join(changed_contents(note, contents(inputs)), ", "));
}

}  // namespace emotion
