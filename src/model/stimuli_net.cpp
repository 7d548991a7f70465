#include "emotion/model/stimuli_net.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/tensordot.h>
#include <ATen/ops/zeros.h>

#include "emotion/batch_norm.h"
#include "emotion/error.h"
#include "emotion/to_device.h"

namespace emotion {

StimuliNetImpl::StimuliNetImpl(const StimuliNetOptions& options) : options_(options) {
  std::int64_t d = 0;
  if (options.global) {
    global = register_module("global", make_backbone(options.backbone));
    d += global->dimension();
  }
  if (options.semantic) {
    semantic = register_module("semantic", SemanticNet(options.semantic_net));
    d += options.semantic_net.hidden;
  }
  if (options.expression) {
    expression = register_module("expression", make_backbone(options.expression_backbone, options.face_channels));
    d += expression->dimension();
  }
  if (d == 0) throw ConfigError("model.branches is empty; global, semantic and expression are there to choose from");
  classifier = register_module("classifier",
                               torch::nn::Linear(torch::nn::LinearOptions(d, options.classes).bias(options.classifier_bias)));
}

StimuliNetOutput StimuliNetImpl::forward(const StimuliInput& input) {
  StimuliNetOutput output;
  std::vector<at::Tensor> features;
  if (global) features.push_back(global->forward(options_.luminance ? to_luminance(input.images) : input.images));
  if (semantic) {
    const SemanticNetOutput seen = semantic(input.regions);
    features.push_back(seen.features);
    output.attention = seen.attention;
  }
  if (expression) {
    const std::int64_t n = input.images.defined()             ? input.images.size(0)
                           : input.regions.features.defined() ? input.regions.features.size(0)
                                                              : input.size;
    at::Tensor v_e = at::zeros({n, expression->dimension()}, classifier->weight.options());
    if (const at::Tensor faces = faces_of(input); faces.defined()) {
      const at::Tensor found = expression->forward(faces);
      v_e = v_e.to(found.scalar_type()).index_copy(0, input.face_rows, found);
    }
    features.push_back(v_e);
  }
  output.features = at::cat(features, 1);
  output.logits = classifier(output.features);
  return output;
}

at::Tensor StimuliNetImpl::faces_of(const StimuliInput& input) {
  const std::int64_t own = input.faces.defined() ? input.faces.size(0) : 0;
  const at::Tensor faces = own > 0 ? input.faces : at::Tensor();
  const auto exchange = is_training() ? statistics_exchange_of(*expression) : nullptr;
  if (!exchange) return faces;
  // Without a face anywhere no process may see the branch: gradients of 0 would let momentum and weight decay move it.
  at::Tensor all = at::full({1}, static_cast<double>(own), classifier->weight.options().dtype(at::kDouble).requires_grad(false));
  exchange->sum(all);
  if (all.item<double>() == 0) return {};
  return own > 0 ? faces : at::empty({0, 3, 48, 48}, classifier->weight.options());
}

at::Tensor StimuliNetImpl::activation_map(const at::Tensor& images, std::int64_t k) {
  if (!global) throw ConfigError("class activation maps need the global branch");
  const at::Tensor map = global->feature_map(options_.luminance ? to_luminance(images) : images);
  if (map.size(1) != global->dimension()) throw ConfigError("class activation maps need a ResNet as global branch");
  return at::tensordot(map, classifier->weight[k].narrow(0, 0, map.size(1)), {1}, {0});
}

at::Tensor to_luminance(const at::Tensor& images) {
  // x = (c - mean) / std with c in 0 .. 1; Y = 0.299 R + 0.587 G + 0.114 B, then normalised like each channel.
  const at::Tensor rows = at::tensor({0.485F, 0.456F, 0.406F, 0.229F, 0.224F, 0.225F, 0.299F, 0.587F, 0.114F});
  const at::Tensor constants = to_device(rows, images.options()).view({3, 1, 3, 1, 1});
  const at::Tensor mean = constants[0], std = constants[1], weights = constants[2];
  const at::Tensor y = ((images * std + mean) * weights).sum(1, /*keepdim=*/true);
  return ((y - mean) / std).contiguous(images.suggest_memory_format());
}

}  // namespace emotion
