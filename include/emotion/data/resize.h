#pragma once

#include <cstdint>

#include "emotion/data/image.h"

namespace emotion {

/// Bilinear resize with antialiasing, as Pillow's Image.resize(BILINEAR) computes it: triangle filter widened by the scale,
/// 8-bit fixed-point weights. The horizontal pass is first, unless the height shrinks by more than twice what the width does: so
/// Pillow 13; earlier versions differ there by a level.
Image resize_image(const Image& image, int width, int height);
/// Shorter side to `side`, the longer one truncated to int as torchvision's Resize does.
Image resize_shorter(const Image& image, int side);
/// The part at (x, y); outside the picture it is black, as torchvision's center_crop pads.
Image crop_image(const Image& image, int x, int y, int width, int height);
/// RGB pixels [height, width, 3], left and right exchanged where they lie.
void mirror_pixels(std::uint8_t* pixels, int width, int height);

}  // namespace emotion
