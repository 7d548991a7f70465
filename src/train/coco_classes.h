#pragma once

#include <string>
#include <vector>

namespace emotion {

/// COCO's category names by id from 1, as torchvision's 91-class detectors number them; an id that COCO left out is `N/A ID`.
const std::vector<std::string>& coco_classes();

}  // namespace emotion
