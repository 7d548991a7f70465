#pragma once

#include <string>

#include "emotion/data/manifest.h"
#include "emotion/stimuli/faces.h"

namespace emotion {

/// What decides the pixels of a face, as one line of JSON: models by their file names. Faces with another line are not mixed.
/// @throws WeightsError if the landmark model is not there
std::string face_settings(const FaceOptions& options);

/// The options of such a line: sizes and thresholds. Which models were used is left to the caller, who knows where they are.
/// @throws DataError naming `where`
FaceOptions parse_face_settings(const std::string& line, const std::string& where);

/// The line that emotion_data faces left beside the faces of a split (or of another split of the same set; of a set that was made
/// from another, beside that one's). Empty where there is none.
std::string read_face_settings(const Dataset& dataset, const std::string& split);

}  // namespace emotion
