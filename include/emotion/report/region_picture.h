#pragma once

#include "emotion/data/image.h"
#include "emotion/stimuli/region_file.h"

namespace emotion {

/// The picture with the regions' boxes, each with its class, its attribute where there is one, and its score; enlarged where it
/// is small, so that the names can be read. The best region is drawn last, over the others.
Image draw_regions(const Image& image, const RegionFile& regions);

}  // namespace emotion
