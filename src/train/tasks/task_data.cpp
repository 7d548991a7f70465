#include "task_data.h"

#include <utility>

namespace emotion {
namespace {

Manifest open_manifest(const SplitConfig& split) { return Manifest::open(Dataset::open(split.dataset), split.split); }

}  // namespace

std::unique_ptr<LabelledSplit> open_split(const SplitConfig& split, const TargetClasses& classes, const std::string& spec,
                                          bool single) {
  Manifest manifest = open_manifest(split);
  SplitTargets none(manifest, classes, spec, single);  // checks every sample
  auto opened = std::make_unique<LabelledSplit>(LabelledSplit{std::move(manifest), std::move(none)});
  opened->targets.follow(opened->manifest);
  return opened;
}

TaskData::TaskData(const RunConfig& config, bool single) {
  const std::string& spec = config.data.targets;
  classes_ = TargetClasses::make(spec, open_manifest(config.data.train));
  train_ = open_split(config.data.train, classes_, spec, single);
  if (config.data.val) validation_ = open_split(config.data.val, classes_, spec, single);
}

at::Tensor TaskData::multi_hot(const std::vector<std::uint64_t>& samples, Split split, bool mean) const {
  std::vector<std::vector<std::uint32_t>> ids;
  ids.reserve(samples.size());
  for (const std::uint64_t sample : samples) ids.push_back((*this)[split].targets(sample));
  return emotion::multi_hot(ids, classes().size(), mean);
}

}  // namespace emotion
