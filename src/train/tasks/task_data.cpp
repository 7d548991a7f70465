#include "task_data.h"

#include <utility>

#include <fmt/format.h>

#include "emotion/data/open_manifest.h"
#include "emotion/error.h"

namespace emotion {

std::unique_ptr<LabelledSplit> open_split(const SplitConfig& split, const TargetClasses& classes, const std::string& spec,
                                          const std::string& single) {
  Manifest manifest = open_manifest(split);
  SplitTargets none(manifest, classes, spec, single);  // checks every sample
  auto opened = std::make_unique<LabelledSplit>(LabelledSplit{std::move(manifest), std::move(none)});
  opened->targets.follow(opened->manifest);
  return opened;
}

TaskData::TaskData(const RunConfig& config, bool single) {
  const std::string& spec = config.data.targets;
  classes_ = TargetClasses::make(spec, open_manifest(config.data.train));
  const std::string wants_one = single ? "task " + config.task : "";
  train_ = open_split(config.data.train, classes_, spec, wants_one);
  if (config.data.val) validation_ = open_split(config.data.val, classes_, spec, wants_one);
}

void TaskData::check_classes_beside_keywords(const std::string& what, const std::string& advice) const {
  for (const LabelledSplit* split : {train_.get(), validation_.get()}) {
    for (std::size_t i = 0; split && i < split->manifest.size(); ++i) {
      if (!split->targets.from_keywords(i)) continue;
      throw ConfigError(fmt::format("{}, and {} has its class from its keywords: the TextCNN would read the answer; {}", what,
                                    split->manifest.place(i), advice));
    }
  }
}

at::Tensor TaskData::multi_hot(const std::vector<std::uint64_t>& samples, Split split, bool mean) const {
  std::vector<std::vector<std::uint32_t>> ids;
  ids.reserve(samples.size());
  for (const std::uint64_t sample : samples) ids.push_back((*this)[split].targets(sample));
  return emotion::multi_hot(ids, classes().size(), mean);
}

}  // namespace emotion
