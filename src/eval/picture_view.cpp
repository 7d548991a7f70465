#include "emotion/eval/picture_view.h"

#include <numeric>

#include <ATen/ops/cat.h>
#include <fmt/format.h>

#include "emotion/data/loader.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/progress.h"
#include "emotion/signals.h"

namespace emotion {

std::vector<std::uint64_t> samples_in_view(const Manifest& manifest, const PictureView& view) {
  std::vector<std::uint64_t> samples(manifest.size());
  std::iota(samples.begin(), samples.end(), std::uint64_t{0});
  if (view.faces) std::erase_if(samples, [&](std::uint64_t i) { return manifest[i].face.empty(); });
  if (samples.empty()) throw DataError(manifest.file().string() + ": no sample has a face; emotion_data faces finds them");
  return samples;
}

void check_boxes(const Manifest& manifest) {
  std::size_t without = 0;
  for (std::size_t i = 0; i < manifest.size(); ++i) without += !manifest[i].box;
  if (without == manifest.size())
    throw DataError(manifest.file().string() + ": box crops are asked for, and no sample has a box");
  if (without > 0) log_warning("{}: {} samples have no box: their whole picture is used", manifest.file().string(), without);
}

PictureView evaluation_view(const VisualModel& model, int batch, int workers) {
  return {.transform = model.transform(), .faces = model.config().data.picture == "face", .batch = batch, .workers = workers};
}

void for_each_batch(const VisualModel& model, const Device& device, const Manifest& manifest, const PictureView& view,
                    const std::vector<std::uint64_t>& samples,
                    const std::function<void(const std::vector<std::uint64_t>&, const at::Tensor&)>& each) {
  const at::NoGradGuard no_grad;
  LoaderOptions options{.transform = view.transform,
                        .picture = view.faces ? Picture::kFace : Picture::kImage,
                        .seed = view.seed,
                        .batch = static_cast<std::size_t>(view.batch),
                        .workers = view.workers,
                        .on_error = OnError::kSkip,  // told below, with what to do
                        .crop_box = view.crop_box,
                        .allocate = device.allocator()};
  ImageLoader loader(manifest, options, samples, view.view);
  Progress progress("images", samples.size());
  std::uint64_t done = 0;
  while (auto images = loader.next()) {
    if (stop_requested()) throw Interrupted("interrupted; nothing was written");
    refuse_broken(loader, manifest);
    each(images->samples, model.features(device.images(*images)).to(at::kFloat));
    progress.update(done += images->samples.size());
  }
}

void for_each_batch(const VisualModel& model, const Device& device, const Manifest& manifest, const PictureView& view,
                    const std::function<void(const std::vector<std::uint64_t>&, const at::Tensor&)>& each) {
  for_each_batch(model, device, manifest, view, samples_in_view(manifest, view), each);
}

void for_each_batch(const VisualModel& model, const Device& device, const Manifest& manifest, int batch, int workers,
                    const std::function<void(const std::vector<std::uint64_t>&, const at::Tensor&)>& each) {
  for_each_batch(model, device, manifest, evaluation_view(model, batch, workers), each);
}

at::Tensor extract_features(const VisualModel& model, const Device& device, const Manifest& manifest, int batch, int workers) {
  std::vector<at::Tensor> parts;
  for_each_batch(model, device, manifest, batch, workers,
                 [&](const auto&, const at::Tensor& features) { parts.push_back(features.cpu()); });
  return at::cat(parts);
}

}  // namespace emotion
