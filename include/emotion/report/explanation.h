#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "emotion/eval/stimuli_run.h"

namespace emotion {

/// What a StimuliNet saw in a picture, as a section of a page: probabilities on the wheel, polarity, class activation map,
/// regions weighted by attention in every step and in sum, the face, and why a branch is silent. `number` tells the pictures of a
/// page apart.
std::string explanation_section(const TrainedStimuliNet& model, const Stimuli& stimuli, const StimuliExplanation& seen,
                                std::size_t number);
/// A page of its own around sections.
std::string explanation_page(const TrainedStimuliNet& model, const std::string& sections);

/// The same as a JSON object, and as PNG: FOLDER/STEM-{picture,map,regions,face}.png, those there are. `folder` empty = none; the
/// object names the files. @throws RunError
std::string explanation_json(const TrainedStimuliNet& model, const Stimuli& stimuli, const StimuliExplanation& seen,
                             const std::filesystem::path& folder, const std::string& stem);

/// Name of a region: its attribute and class, or "region".
std::string region_name(const RegionFile& regions, std::int64_t i);
/// Attention of each region summed over the steps and divided by their number: float [n], sums to 1. Undefined without attention.
at::Tensor attention_sum(const StimuliExplanation& seen);

}  // namespace emotion
