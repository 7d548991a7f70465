#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emotion {

/// Mikels' eight in alphabetical order (FI, ArtPhoto, Abstract, IAPSa), and their polarity.
const std::vector<std::string>& mikels_classes();
const std::vector<std::string>& mikels_positive();
const std::vector<std::string>& mikels_negative();
/// anger, disgust, fear, joy, sadness, surprise (Emotion6, EmotionROI); joy and surprise are positive.
const std::vector<std::string>& six_classes();
const std::vector<std::string>& six_positive();
const std::vector<std::string>& six_negative();

/// The class that `text` names, whatever its case or spelling in the wild ("sad", "Content", "digust").
std::optional<std::string> class_called(std::string_view text, const std::vector<std::string>& classes);

}  // namespace emotion
