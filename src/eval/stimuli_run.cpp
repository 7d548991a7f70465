#include "emotion/eval/stimuli_run.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ops/dot.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "emotion/data/decode.h"
#include "emotion/data/loader.h"
#include "emotion/data/stimulus_path.h"
#include "emotion/error.h"
#include "emotion/eval/loose_pictures.h"
#include "emotion/eval/mikels_wheel.h"
#include "emotion/progress.h"
#include "emotion/signals.h"

namespace emotion {
namespace {

/// Images of every batch through the loader where the network looks at them, else nothing but sample numbers.
class BatchSource {
 public:
  BatchSource(const TrainedStimuliNet& model, const Device& device, const Manifest& manifest,
              const std::vector<std::uint64_t>& order, int batch, int workers)
      : manifest_(manifest), device_(device), order_(order), batch_(static_cast<std::size_t>(batch)) {
    if (!model.network->options().global) return;
    loader_.emplace(manifest,
                    LoaderOptions{.transform = make_transform(model.config.data).deterministic(),
                                  .batch = batch_,
                                  .workers = workers,
                                  .on_error = OnError::kSkip,  // told below, with what to do
                                  .allocate = device.allocator()},
                    order, 0);
  }
  /// False behind the last batch.
  bool next(std::vector<std::uint64_t>& samples, at::Tensor& images) {
    if (loader_) {
      auto batch = loader_->next();
      if (!batch) return false;
      refuse_broken(*loader_, manifest_);
      samples = batch->samples;
      images = device_.images(*batch);
      return true;
    }
    const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(done_);
    samples.assign(begin, begin + static_cast<std::ptrdiff_t>(std::min(batch_, order_.size() - done_)));
    done_ += samples.size();
    return !samples.empty();
  }

 private:
  const Manifest& manifest_;
  const Device& device_;
  const std::vector<std::uint64_t>& order_;
  std::size_t batch_, done_ = 0;
  std::optional<ImageLoader> loader_;
};

/// Width the network's regions have; 0 without the branch.
std::int64_t region_width(const StimuliNet& network) {
  return network->options().semantic ? network->options().semantic_net.feature : 0;
}

/// What the deterministic transform shows of a picture: as transform.cpp computes it, in pixels of the picture.
std::array<double, 4> seen_part(const Transform& t, const Image& picture) {
  double scale = 1;
  int width = picture.width, height = picture.height;
  if (t.resize > 0) {
    const int shorter = std::min(width, height);
    const auto resized = [&](int side) { return static_cast<int>(static_cast<std::int64_t>(side) * t.resize / shorter); };
    scale = static_cast<double>(shorter) / t.resize;
    width = resized(width);
    height = resized(height);
  }
  if (t.crop == Crop::kNone) return {0, 0, static_cast<double>(picture.width), static_cast<double>(picture.height)};
  const auto part = [&](int length) { return std::pair{std::nearbyint((length - t.size) / 2.0) * scale, t.size * scale}; };
  const auto [x, w] = part(width);
  const auto [y, h] = part(height);
  return {x, y, w, h};
}

RegionBatch region_batch(const RegionFile& regions, std::int64_t width, const Device& device) {
  const std::int64_t n = regions.features.defined() ? regions.features.size(0) : 0;
  at::Tensor features = at::zeros({1, std::max<std::int64_t>(n, 1), width});
  if (n > 0) features[0].copy_(regions.features);
  return {device.move(features), device.move(at::tensor({n}, at::kLong))};
}

/// The first `count` regions.
RegionFile first_regions(const RegionFile& all, std::int64_t count) {
  const std::int64_t n = std::min(count, all.features.size(0));
  RegionFile some = all;
  for (at::Tensor* rows : {&some.features, &some.boxes, &some.scores, &some.labels, &some.attributes}) {
    if (rows->defined()) *rows = rows->narrow(0, 0, n);
  }
  return some;
}

std::string why_no_regions(const TrainedStimuliNet& model, const Stimuli& stimuli) {
  if (!model.network->options().semantic) return "switched off (model.branches)";
  if (model.config.model.semantic.regions == 0) return "no region is used (model.semantic.regions is 0)";
  if (!stimuli.regions) return stimuli.no_regions;
  if (stimuli.regions->features.size(0) == 0) return "the detector found no region";
  return {};
}

std::string why_no_face(const TrainedStimuliNet& model, const Stimuli& stimuli) {
  if (!model.network->options().expression) return "switched off (model.branches)";
  return stimuli.face ? "" : stimuli.no_face;
}

/// A batch of one. regions: those that are used, undefined for none.
StimuliInput input_of(const TrainedStimuliNet& model, const Device& device, const Stimuli& stimuli, const RegionFile& regions,
                      bool with_face) {
  const StimuliNetOptions& options = model.network->options();
  StimuliInput input;
  input.images = picture_batch(device, stimuli.input);
  if (options.semantic) input.regions = region_batch(regions, options.semantic_net.feature, device);
  if (!options.expression) return input;
  std::vector<std::int64_t> rows;
  if (with_face) {
    rows.push_back(0);
    input.faces = picture_batch(device, *stimuli.face);
  }
  input.face_rows = device.move(at::tensor(rows, at::kLong));
  return input;
}

/// logits: float [C]
void add_probabilities(const TrainedStimuliNet& model, const at::Tensor& logits, StimuliExplanation& result) {
  const at::Tensor p = at::softmax(logits.to(at::kDouble), 0).cpu().contiguous();
  result.probabilities.assign(p.const_data_ptr<double>(), p.const_data_ptr<double>() + p.numel());
  result.order.resize(result.probabilities.size());
  std::iota(result.order.begin(), result.order.end(), std::size_t{0});
  std::stable_sort(result.order.begin(), result.order.end(),
                   [&](std::size_t a, std::size_t b) { return result.probabilities[a] > result.probabilities[b]; });
  if (model.polarity.empty()) return;
  result.positive = 0;
  for (std::size_t k = 0; k < result.probabilities.size(); ++k)
    *result.positive += model.polarity[k] > 0 ? result.probabilities[k] : 0;
}

/// What each branch adds to the score of class `best`. v_emo: float [D] of Eq 12; silent: why a branch said nothing, empty if it
/// did.
std::vector<StimuliExplanation::Branch> branch_shares(const StimuliNetImpl& network, const at::Tensor& v_emo, std::int64_t best,
                                                      const std::array<std::string, 3>& silent) {
  const StimuliNetOptions& options = network.options();
  const std::array<std::int64_t, 3> sizes{options.global ? network.global->dimension() : 0,
                                          options.semantic ? options.semantic_net.hidden : 0,
                                          options.expression ? network.expression->dimension() : 0};
  const std::array<const char*, 3> names{"global", "semantic", "expression"};
  const at::Tensor weights = network.classifier->weight[best], features = v_emo.to(weights.scalar_type());
  std::vector<StimuliExplanation::Branch> branches;
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const at::Tensor part = weights.narrow(0, begin, sizes[i]);
    branches.push_back({names[i], silent[i], 0});
    if (silent[i].empty()) branches.back().evidence = at::dot(part, features.narrow(0, begin, sizes[i])).item<double>();
    begin += sizes[i];
  }
  return branches;
}

}  // namespace

void for_each_batch(const TrainedStimuliNet& model, const Device& device, const Manifest& manifest, int batch, int workers,
                    const std::function<void(const std::vector<std::uint64_t>&, const StimuliNetOutput&)>& each) {
  std::vector<std::uint64_t> all(manifest.size());
  std::iota(all.begin(), all.end(), std::uint64_t{0});
  for_each_batch(model, device, manifest, all, batch, workers, each);
}

void for_each_batch(const TrainedStimuliNet& model, const Device& device, const Manifest& manifest,
                    const std::vector<std::uint64_t>& order, int batch, int workers,
                    const std::function<void(const std::vector<std::uint64_t>&, const StimuliNetOutput&)>& each) {
  const at::NoGradGuard no_grad;
  const StimuliReader reader(manifest,
                             stimuli_reader_options(model.config, std::max<std::int64_t>(region_width(model.network), 1)));
  BatchSource source(model, device, manifest, order, batch, workers);
  StimuliNet network = model.network;  // shares the weights; forward() is not const
  Progress progress("images", order.size());
  std::uint64_t done = 0;
  std::vector<std::uint64_t> samples;
  at::Tensor images;
  while (source.next(samples, images)) {
    if (stop_requested()) throw Interrupted("interrupted; nothing was written");
    StimuliInput input = reader.read(samples, device);
    input.images = images;
    each(samples, network->forward(input));
    progress.update(done += samples.size());
  }
}

Stimuli read_stimuli(const TrainedStimuliNet& model, const Manifest& manifest, std::size_t sample) {
  const SampleView view = manifest[sample];
  const Dataset& dataset = manifest.dataset();
  Stimuli stimuli;
  stimuli.name = std::string(view.image);
  for (const std::uint32_t label : view.labels) stimuli.labels.push_back(dataset.classes[label]);
  try {
    const auto file = manifest.image_path(sample);
    stimuli.picture = decode_image(file);
    stimuli.input = load_image(file, make_transform(model.config.data).deterministic(), {});
    // Files of a branch that is switched off are not opened.
    if (view.regions.empty()) {
      stimuli.no_regions = "the manifest names no region file";
    } else if (model.network->options().semantic) {
      const auto regions = stimulus_path(dataset, view.regions);
      stimuli.regions = read_region_file(regions, region_width(model.network));
      check_boxes_within(*stimuli.regions, stimuli.picture.width, stimuli.picture.height, regions);
    }
    if (view.face.empty()) {
      stimuli.no_face = "the manifest names no face";
    } else if (model.network->options().expression) {
      stimuli.face = decode_image(stimulus_path(dataset, view.face));
    }
  } catch (const Error& error) {
    throw DataError(manifest.place(sample) + ": " + error.what());
  }
  return stimuli;
}

StimuliExplanation explain(const TrainedStimuliNet& model, const Device& device, const Stimuli& stimuli) {
  const at::NoGradGuard no_grad;
  const StimuliNetOptions& options = model.network->options();
  StimuliExplanation result;
  const std::string no_regions = why_no_regions(model, stimuli), no_face = why_no_face(model, stimuli);
  if (no_regions.empty()) {
    result.regions = first_regions(*stimuli.regions, model.config.model.semantic.regions);
    if (result.regions.features.size(1) != options.semantic_net.feature) {
      throw DataError(fmt::format("{}: the regions are {} wide, the network's were {}; use the detector it was trained with",
                                  stimuli.name, result.regions.features.size(1), options.semantic_net.feature));
    }
  }
  const StimuliInput input = input_of(model, device, stimuli, result.regions, no_face.empty());
  StimuliNet network = model.network;  // shares the weights; forward() is not const
  const StimuliNetOutput output = network->forward(input);
  add_probabilities(model, output.logits[0], result);
  const auto best = static_cast<std::int64_t>(result.order[0]);
  result.branches = branch_shares(*model.network, output.features[0], best,
                                  {options.global ? "" : "switched off (model.branches)", no_regions, no_face});
  if (options.global && options.backbone.starts_with("resnet"))
    result.map = network->activation_map(input.images, best)[0].to(at::kFloat).cpu();
  if (output.attention.defined() && no_regions.empty())
    result.attention = output.attention[0].narrow(1, 0, result.regions.features.size(0)).to(at::kFloat).cpu().contiguous();
  result.view = seen_part(make_transform(model.config.data).deterministic(), stimuli.picture);
  return result;
}

}  // namespace emotion
