#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "emotion/data/manifest.h"
#include "emotion/stimuli/region_file.h"
#include "emotion/train/stimuli_model.h"

namespace emotion {

/// Runs a StimuliNet over a whole split in manifest order, regions and faces as the manifest names them. `each` gets the sample
/// numbers of a batch and what the network says of them.
/// @throws DataError for a broken image, region file or face, Interrupted
void for_each_batch(const TrainedStimuliNet& model, const Device& device, const Manifest& manifest, int batch, int workers,
                    const std::function<void(const std::vector<std::uint64_t>&, const StimuliNetOutput&)>& each);

/// The same for some samples, in their order.
void for_each_batch(const TrainedStimuliNet& model, const Device& device, const Manifest& manifest,
                    const std::vector<std::uint64_t>& samples, int batch, int workers,
                    const std::function<void(const std::vector<std::uint64_t>&, const StimuliNetOutput&)>& each);

/// One picture with its stimuli, read or found.
struct Stimuli {
  std::string name;  ///< of the picture, as it was given
  Image picture;     ///< whole and upright
  Image input;       ///< what the network's transform makes of it
  std::optional<RegionFile> regions;
  std::optional<Image> face;
  std::string no_regions, no_face;     ///< why there are none
  std::vector<std::string> labels{};   ///< as the data set names them
  std::vector<std::uint32_t> truth{};  ///< what is right: ids of the network's classes, none where it is not known
};

/// What a StimuliNet saw in one picture.
struct StimuliExplanation {
  /// One branch's share of the best class's score: the classifier's weights of the branch times its features.
  struct Branch {
    std::string name;    ///< global, semantic, expression
    std::string silent;  ///< why it said nothing; empty if it did
    double evidence = 0;
  };
  std::vector<double> probabilities;  ///< in the order of the classes
  std::vector<std::size_t> order;     ///< class ids, the most probable first
  std::optional<double> positive;     ///< probability of a positive emotion, where the classes have a polarity
  std::vector<Branch> branches;       ///< all three
  at::Tensor map;                     ///< class activation map of the best class, float [h, w]; undefined without the branch
  std::array<double, 4> view{};       ///< what the network saw: x, y, width, height in pixels of the picture
  RegionFile regions;                 ///< the regions that were used, none where the branch was silent
  at::Tensor attention;  ///< float [T, n]: weight of region n in step T; undefined for the fc variant and without regions
};

/// The stimuli of one sample, as the manifest names them; `truth` is left to known_labels(), which reads a whole split.
/// @throws DataError, WeightsError
Stimuli read_stimuli(const TrainedStimuliNet& model, const Manifest& manifest, std::size_t sample);

/// @throws DataError if the regions are not as wide as those the network was trained with
StimuliExplanation explain(const TrainedStimuliNet& model, const Device& device, const Stimuli& stimuli);

}  // namespace emotion
