#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "emotion/data/manifest.h"
#include "emotion/stimuli/faces.h"
#include "emotion/train/distributed.h"

namespace emotion {

struct FaceSummary {
  std::uint64_t images = 0, with_face = 0, broken = 0;
  std::uint64_t known = 0;  ///< of them, found in an earlier run
  double seconds = 0;       ///< of this run
  /// Images and faces of each class, by the sample's first label; a last entry "no label" where there are such samples.
  std::vector<std::pair<std::string, std::pair<std::uint64_t, std::uint64_t>>> per_class;
};

/// Finds the largest face of every image of a split, writes it aligned to DATASET/faces/IMAGE.png, and at the end all their
/// paths into the manifest.
///
/// Images are shared among the processes of the group and `workers` threads of each (0 = one per core). What was found is noted
/// in DATASET/faces/SPLIT.found.jsonl, a line an image (SPLIT.found.R.jsonl by rank R until all are done): a run that was stopped
/// goes on there, with any number of processes. `anew` forgets the notes. Images that cannot be read are warned of, counted, and
/// keep the face they have. Rank 0 gets the summary and writes the manifest.
/// @throws ConfigError if the notes are from a run with other options, Interrupted (the notes are kept), RunError (disk)
FaceSummary extract_faces(const Manifest& manifest, const FaceFinder& finder, const FaceOptions& options, int workers, bool anew,
                          ProcessGroup& group);

}  // namespace emotion
