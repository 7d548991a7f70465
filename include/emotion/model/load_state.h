#pragma once

#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "emotion/io/weights.h"

namespace emotion {

/// Parameters and buffers of a module under their dotted names, parameters first within each submodule as torch.state_dict()
/// orders them.
StateDict module_state(const torch::nn::Module& module);

/// A weight that tells how large a network is, for a file that does not say so otherwise. shape: the lengths it must have, -1 for
/// one that the file decides. A file may give a tensor of no number any other length: networks are made of what is returned
/// alone.
/// @throws WeightsError naming `where` (the file) and the weight: missing, of another shape, or without a number
const at::Tensor& size_weight(const StateDict& state, const std::string& name, at::IntArrayRef shape, const std::string& where);

/// Copies `state` into `module`. Names and shapes must agree exactly, and numbers be finite, in the module's type.
/// @throws WeightsError in one line: `where` (the file), the backbone it is of if another, all that is missing, unknown,
/// misshapen
void load_module_state(torch::nn::Module& module, const StateDict& state, const std::string& where);

/// For `model.init`: copies what a whole model's file or a plain torchvision backbone's file has for `module`.
///
/// Accepted: the module's own names (heads of other shapes, `classifier.` and the like, are left at their initialisation and
/// named in the log), or names of its backbone without `backbone.` (fc./classifier of torchvision ignored).
/// @throws WeightsError if a backbone tensor is missing, misshapen or not finite, all listed at once
void init_module_state(torch::nn::Module& module, const StateDict& state, const std::string& where);

/// The same for a backbone alone, from a file that has it under its own names (torchvision's) or under `backbone.`; heads are
/// left out.
/// @throws WeightsError listing every missing, misshapen or not finite tensor
void init_backbone_state(torch::nn::Module& backbone, const StateDict& state, const std::string& where);

}  // namespace emotion
