#include "emotion/model/backbone.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "resnet.h"

namespace emotion {

const std::vector<std::string>& backbone_names() {
  static const std::vector<std::string> names{"resnet18", "resnet34", "resnet50", "resnet101", "vgg16", "alexnet"};
  return names;
}

std::shared_ptr<Backbone> make_backbone(std::string_view name) {
  if (auto network = make_resnet(name)) return network;
  if (auto network = make_classic(name)) return network;
  throw ConfigError(fmt::format("backbone '{}' is not known; {}", name, fmt::join(backbone_names(), ", ")));
}

}  // namespace emotion
