#pragma once

#include <cstdint>
#include <string>

#include "emotion/data/manifest.h"
#include "emotion/stimuli/region_file.h"
#include "emotion/train/detector_model.h"
#include "emotion/train/distributed.h"

namespace emotion {

struct RegionOptions {
  std::int64_t top = 10;      ///< regions of an image that are kept, best first
  std::size_t batch = 4;      ///< images read together; those that are padded alike share a forward pass
  bool channels_last = true;  ///< memory order of the images
  bool anew = false;          ///< files that are there already are made again
};

struct RegionSummary {
  std::uint64_t images = 0, known = 0, broken = 0, without = 0;  ///< known: kept from an earlier run; without: no region found
  double regions = 0, seconds = 0;                               ///< regions an image, of those looked at now
};

/// Runs a detector over a split: DATASET/regions/IMAGE.safetensors for each image, their paths into the manifest.
///
/// The processes of the group share the images; those on other hosts must see the data set's folder. A file that is there, can be
/// read and was made by the same weights and settings is kept: a stopped run goes on where it was. What is kept gets the names of
/// classes and attributes that the detector has now. What is found in an image depends neither on the batch nor on the processes,
/// but for rounding. Images that cannot be decoded are named in the log, counted and left without regions. Rank 0 writes the
/// manifest and gets the summary of all.
/// @throws Interrupted (what was found is in the manifest), RunError (disk)
RegionSummary extract_regions(const Manifest& manifest, const TrainedDetector& detector, const Device& device,
                              const RegionOptions& options, ProcessGroup& group);

/// The regions of one picture, best first, on the CPU. @param picture  uint8 [H, W, 3]
RegionFile find_regions(const at::Tensor& picture, const TrainedDetector& detector, const Device& device, std::int64_t top);

/// What a region file says of its making: a hash of the weights and of this library's arithmetic, then every model.detector
/// setting that is not the weights' own. All that decides what is found, but for how many are kept.
std::string region_source(const TrainedDetector& detector);

/// regions/IMAGE.safetensors, relative to the data set's folder.
std::string region_path(const SampleView& sample);

}  // namespace emotion
