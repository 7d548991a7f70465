#pragma once

#include <filesystem>
#include <string>

#include "emotion/config/run_config.h"
#include "emotion/data/manifest.h"

namespace emotion {

struct TrainedStimuliNet;

/// Training data: a branch that is on needs something to learn from. A split of which no sample names regions (with
/// model.semantic.regions > 0) or a face never went through emotion_data regions or faces, or has no person in any picture.
/// @throws DataError naming the step
void check_training_stimuli(const RunConfig& config, const Manifest& manifest);

/// Data that a trained network is run on: as check_training_stimuli() where no branch would see anything; where another one does,
/// a warning for each that does not. Pictures in which emotion_data faces has looked for faces in vain are as they are.
/// @throws DataError naming the step
void check_stimuli(const RunConfig& config, const Manifest& manifest);
/// The same, and warn_of_other_stimuli().
void check_stimuli(const TrainedStimuliNet& model, const Manifest& manifest);
/// The same for a folder of pictures, which names neither regions nor faces.
void check_stimuli(const TrainedStimuliNet& model, const std::filesystem::path& folder);

/// What found the regions of a split, as its first region file says; empty where a network of that config looks at none, or the
/// file does not say. @throws DataError, WeightsError for a broken file
std::string read_region_source(const RunConfig& config, const Manifest& manifest);

/// Regions that something else found than those a network was trained on are told in the log: with other features, or another
/// order, the network reads them wrongly. Of regions that were imported no more is known than a file's name: nothing is said.
/// `where`: what the regions `now` are of
void warn_of_other_regions(const std::string& trained_on, const std::string& now, const std::string& where);

/// How the faces of a split were found, read_face_settings(); empty where a network of that config looks at none.
std::string read_face_source(const RunConfig& config, const Manifest& manifest);

/// The same of faces: cut otherwise, they are other pictures to the network.
void warn_of_other_faces(const std::string& trained_on, const std::string& now, const std::string& where);

/// warn_of_other_regions() and warn_of_other_faces() of a split that a trained network is run on.
void warn_of_other_stimuli(const TrainedStimuliNet& model, const Manifest& manifest);

}  // namespace emotion
