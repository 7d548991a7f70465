#pragma once

#include <memory>
#include <string_view>

#include "emotion/model/backbone.h"

namespace emotion {

/// resnet18, resnet34, resnet50 or resnet101; nullptr for another name. channels: 3, or 1 (the mean of the three).
std::shared_ptr<Backbone> make_resnet(std::string_view name, std::int64_t channels = 3);
/// vgg16 or alexnet; nullptr for another name.
std::shared_ptr<Backbone> make_classic(std::string_view name);

}  // namespace emotion
