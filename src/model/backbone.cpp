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

std::vector<at::Tensor> Backbone::stages(const at::Tensor&) { throw ConfigError("a feature pyramid needs a ResNet as backbone"); }

std::shared_ptr<Backbone> make_backbone(std::string_view name, std::int64_t channels) {
  if (auto network = make_resnet(name, channels)) return network;
  if (channels != 3)
    throw ConfigError(
        fmt::format("model.channels is {}: only ResNets have a stem for grey pictures, {} has not", channels, name));
  if (auto network = make_classic(name)) return network;
  throw ConfigError(fmt::format("backbone '{}' is not known; {}", name, fmt::join(backbone_names(), ", ")));
}

}  // namespace emotion
