#include "emotion/eval/labels.h"

#include <algorithm>

#include <fmt/format.h>

#include "emotion/data/targets.h"
#include "emotion/error.h"
#include "emotion/log.h"

namespace emotion {

namespace {

/// The network's classes, and what stands for them in the split.
TargetClasses network_targets(const Manifest& manifest, const std::vector<std::string>& classes, const std::string& spec) {
  TargetClasses targets;
  targets.classes = classes;
  if (spec == "labels" || spec == "keywords") {
    for (std::uint32_t k = 0; k < classes.size(); ++k) targets.class_of_word.emplace(classes[k], k);
    return targets;
  }
  // The file numbers its classes by where they stand in it today; the network's order is that of the day it was trained.
  const TargetClasses today = TargetClasses::make(spec, manifest);
  for (const auto& [word, id] : today.class_of_word) {
    const auto at = std::find(classes.begin(), classes.end(), today.classes[id]);
    if (at == classes.end()) throw DataError(fmt::format("{}: the network has no class '{}'", spec, today.classes[id]));
    targets.class_of_word.emplace(word, static_cast<std::uint32_t>(at - classes.begin()));
  }
  return targets;
}

std::vector<std::vector<std::uint32_t>> labels_of(const Manifest& manifest, const SplitTargets& split) {
  std::vector<std::vector<std::uint32_t>> labels;
  for (std::size_t i = 0; i < manifest.size(); ++i) labels.push_back(split(i));
  return labels;
}

}  // namespace

std::vector<std::vector<std::uint32_t>> true_labels(const Manifest& manifest, const std::vector<std::string>& classes,
                                                    const std::string& spec) {
  return labels_of(manifest, SplitTargets(manifest, network_targets(manifest, classes, spec), spec, /*single=*/""));
}

std::vector<std::vector<std::uint32_t>> known_labels(const Manifest& manifest, const std::vector<std::string>& classes,
                                                     const std::string& spec) {
  try {
    return labels_of(manifest, SplitTargets(manifest, network_targets(manifest, classes, spec), spec));
  } catch (const Error& error) {  // the file of targets is gone, or the data set has other classes
    log_info("{}: what is right is not known: {}", manifest.file().string(), error.what());
    return std::vector<std::vector<std::uint32_t>>(manifest.size());
  }
}

bool several_labels(const std::vector<std::vector<std::uint32_t>>& labels) {
  return std::any_of(labels.begin(), labels.end(), [](const auto& ids) { return ids.size() > 1; });
}

}  // namespace emotion
