#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "emotion/data/manifest.h"
#include "emotion/stimuli/faces.h"

namespace emotion {

/// What decides the pixels of a face, as one line of JSON: models by their file names. Faces with another line are not mixed.
/// @throws WeightsError if the landmark model is not there
std::string face_settings(const FaceOptions& options);

/// The options of such a line: sizes and thresholds. Which models were used is left to the caller, who knows where they are.
/// @throws DataError naming `where`
FaceOptions parse_face_settings(const std::string& line, const std::string& where);

/// Where emotion_data faces writes a sample's face: faces/IMAGE.png; of a sample with a box faces/IMAGE@X,Y,W,H.png, another
/// person of the same image.
std::string face_path(const SampleView& sample);

/// What emotion_data faces notes of a picture that it has looked at, a line of JSON in faces/SPLIT.found.jsonl.
struct FaceNote {
  std::string face;  ///< face_path() of the sample
  bool found = false;
};
/// Nothing for a line that is none: the settings, or one that a crash cut short.
std::optional<FaceNote> parse_face_note(std::string_view line);

/// True if emotion_data faces has looked at every sample of a split and found no face in any, by its notes beside this set or one
/// that it was made from.
bool is_known_without_faces(const Manifest& manifest);

/// The line that emotion_data faces left beside the faces of a split (or of another split of the same set; of a set that was made
/// from another, beside that one's). Empty where there is none.
std::string read_face_settings(const Dataset& dataset, const std::string& split);

}  // namespace emotion
