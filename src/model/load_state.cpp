#include "emotion/model/load_state.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/grad_mode.h>

#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/nearest.h"

namespace emotion {
namespace {

std::string shape_text(const at::Tensor& tensor) { return fmt::format("[{}]", fmt::join(tensor.sizes(), ", ")); }

/// All problems in one line; long lists are cut.
class Problems {
 public:
  void add(const std::string& text) {
    add([&] { return text; });
  }
  /// For a text that takes long to find: a file may name a million tensors that are not wanted.
  template <class Text, class = std::enable_if_t<std::is_invocable_v<Text>>>
  void add(const Text& text) {
    if (++count_ <= 20) texts_.push_back(text());
  }
  /// cause: put before them, and a problem by itself: the first blocks of ResNet-101 fit a ResNet-50
  void throw_if_any(const std::string& where, const std::string& cause = {}) const {
    if (count_ == 0 && cause.empty()) return;
    const std::string more = count_ > 20 ? fmt::format("; and {} more", count_ - 20) : "";
    throw WeightsError(
        fmt::format("{}: {}{}{}{}", where, cause, cause.empty() || count_ == 0 ? "" : "; ", fmt::join(texts_, "; "), more));
  }

 private:
  std::size_t count_ = 0;
  std::vector<std::string> texts_;
};

std::vector<std::string> names_of(const StateDict& state) {
  std::vector<std::string> names;
  for (const auto& entry : state.entries) names.push_back(entry.name);
  return names;
}

/// A norm's step counter is of no use to inference and absent from old files.
bool is_counter(const std::string& name) { return name.ends_with("num_batches_tracked"); }

/// The backbone whose tensors these are, by how many blocks or layers there are; empty where none fits.
std::string backbone_of(const StateDict& state) {
  for (const std::string prefix : {"", "backbone."}) {
    const auto has = [&](const std::string& name) { return state.find(prefix + name) != nullptr; };
    const bool bottleneck = has("layer4.0.conv3.weight");
    int blocks = 0;  // of the third stage, where ResNets differ
    while (has(fmt::format("layer3.{}.conv1.weight", blocks))) ++blocks;
    if (blocks == 2 && !bottleneck) return "resnet18";
    if (blocks == 6) return bottleneck ? "resnet50" : "resnet34";
    if (blocks == 23 && bottleneck) return "resnet101";
    if (has("features.28.weight") && !has("features.30.weight")) return "vgg16";
    if (has("features.10.weight") && !has("features.12.weight") && !has("features.11.weight")) return "alexnet";
  }
  return {};
}

/// Why so much does not fit, if the weights are of another backbone than the network.
std::string other_backbone(const StateDict& given, const StateDict& wanted) {
  const std::string theirs = backbone_of(given), ours = backbone_of(wanted);
  if (theirs.empty() || ours.empty() || theirs == ours) return {};
  return fmt::format("the weights look like {}'s; model.backbone is {}", theirs, ours);
}

void collect(const torch::nn::Module& module, const std::string& prefix, StateDict& state) {
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    if (item.value().defined()) state.add(prefix + item.key(), item.value());
  }
  for (const auto& item : module.named_buffers(/*recurse=*/false)) {
    if (item.value().defined()) state.add(prefix + item.key(), item.value());
  }
  for (const auto& item : module.named_children()) collect(*item.value(), prefix + item.key() + ".", state);
}

/// One pass over the numbers: their sum is NaN or infinite if one of them is; if it overflowed, a second pass tells.
bool all_finite(const at::Tensor& values) {
  return std::isfinite(values.sum().item<double>()) || values.isfinite().all().item<bool>();
}

/// What is not finite is refused here, for the network would hide it: a fused ReLU turns NaN into 0.
void copy_checked(at::Tensor to, const at::Tensor& from, const std::string& name, Problems& problems) {
  if (from.sizes() != to.sizes()) {
    problems.add(fmt::format("{} has shape {}, {} is wanted", name, shape_text(from), shape_text(to)));
  } else if (from.is_floating_point() != to.is_floating_point()) {
    problems.add(
        fmt::format("{} has dtype {}, {} is wanted", name, c10::toString(from.scalar_type()), c10::toString(to.scalar_type())));
  } else {
    to.copy_(from);
    if (to.is_floating_point() && !all_finite(to)) problems.add(name + " holds NaN or infinite values");
  }
}

}  // namespace

StateDict module_state(const torch::nn::Module& module) {
  StateDict state;
  collect(module, "", state);
  return state;
}

const at::Tensor& size_weight(const StateDict& state, const std::string& name, at::IntArrayRef shape, const std::string& where) {
  const at::Tensor* weight = state.find(name);
  if (!weight) throw WeightsError(fmt::format("{}: {} is missing", where, name));
  const at::IntArrayRef given = weight->sizes();
  const bool fits = std::equal(given.begin(), given.end(), shape.begin(), shape.end(),
                               [](std::int64_t length, std::int64_t wanted) { return wanted < 0 || length == wanted; });
  if (fits && weight->numel() > 0) return *weight;
  std::vector<std::string> wanted;
  for (const std::int64_t length : shape) wanted.push_back(length < 0 ? "1 or more" : std::to_string(length));
  throw WeightsError(
      fmt::format("{}: {} has shape {}, [{}] is wanted", where, name, shape_text(*weight), fmt::join(wanted, ", ")));
}

void load_module_state(torch::nn::Module& module, const StateDict& state, const std::string& where) {
  const at::NoGradGuard no_grad;
  Problems problems;
  const StateDict own = module_state(module);
  const auto given = names_of(state), wanted = names_of(own);
  for (const auto& [name, tensor] : own.entries) {
    if (const at::Tensor* from = state.find(name)) {
      copy_checked(tensor, *from, name, problems);
    } else if (!is_counter(name)) {
      problems.add([&, &own_name = name] { return fmt::format("{} is missing{}", own_name, did_you_mean(own_name, given)); });
    }
  }
  for (const auto& name : given) {
    if (!own.find(name))
      problems.add([&] { return fmt::format("{} is not part of the network{}", name, did_you_mean(name, wanted)); });
  }
  problems.throw_if_any(where, other_backbone(state, own));
}

void init_module_state(torch::nn::Module& module, const StateDict& state, const std::string& where) {
  const at::NoGradGuard no_grad;
  Problems problems;
  const StateDict own = module_state(module);
  const bool whole =
      std::any_of(state.entries.begin(), state.entries.end(), [&](const auto& entry) { return own.find(entry.name) != nullptr; });
  const std::string prefix = whole ? "" : "backbone.";
  std::vector<std::string> fresh;
  for (const auto& [name, tensor] : own.entries) {
    const bool backbone = name.starts_with("backbone.");
    const std::string source = whole ? name : backbone ? name.substr(prefix.size()) : std::string();
    const at::Tensor* from = source.empty() ? nullptr : state.find(source);
    const bool has_backbone = !own.entries.empty() && own.entries.front().name.starts_with("backbone.");
    const bool head = name.starts_with("classifier.") || (has_backbone && !backbone);
    if (from && (!head || from->sizes() == tensor.sizes())) {
      copy_checked(tensor, *from, source, problems);
    } else if (is_counter(name)) {
      continue;
    } else if (!head) {
      problems.add([&, &own_name = name] {
        return fmt::format("{} is missing{}", source.empty() ? own_name : source, did_you_mean(source, names_of(state)));
      });
    } else {
      fresh.push_back(name);  // a head of another task, or none
    }
  }
  problems.throw_if_any(where, other_backbone(state, own));
  if (!fresh.empty()) log_info("{}: read; new at their first values: {}", where, fmt::join(fresh, ", "));
}

void init_backbone_state(torch::nn::Module& backbone, const StateDict& state, const std::string& where) {
  const at::NoGradGuard no_grad;
  Problems problems;
  const bool prefixed = std::any_of(state.entries.begin(), state.entries.end(),
                                    [](const auto& entry) { return entry.name.starts_with("backbone."); });
  const StateDict own = module_state(backbone);
  for (const auto& [name, tensor] : own.entries) {
    const std::string source = (prefixed ? "backbone." : "") + name;
    if (const at::Tensor* from = state.find(source)) {
      copy_checked(tensor, *from, source, problems);
    } else if (!is_counter(name)) {
      problems.add([&] { return fmt::format("{} is missing{}", source, did_you_mean(source, names_of(state))); });
    }
  }
  problems.throw_if_any(where, other_backbone(state, own));
}

}  // namespace emotion
