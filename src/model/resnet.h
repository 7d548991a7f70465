#pragma once

#include <memory>
#include <string_view>

#include "emotion/model/backbone.h"

namespace emotion {

/// resnet18, resnet34, resnet50 or resnet101; nullptr for another name.
std::shared_ptr<Backbone> make_resnet(std::string_view name);
/// vgg16 or alexnet; nullptr for another name.
std::shared_ptr<Backbone> make_classic(std::string_view name);

}  // namespace emotion
