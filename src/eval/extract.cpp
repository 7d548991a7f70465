#include "emotion/eval/extract.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <ATen/ops/cat.h>
#include <fmt/format.h>

#include "emotion/data/decode.h"
#include "emotion/data/picture_name.h"
#include "emotion/error.h"
#include "emotion/io/utf8.h"
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

void refuse_broken(const ImageLoader& loader, const Manifest& manifest) {
  const auto broken = loader.skipped();
  if (broken.empty()) return;
  const Dataset& dataset = manifest.dataset();
  throw DataError(broken.front() +
                  (dataset.unlisted
                       ? "; take it out of the folder"
                       : fmt::format("; emotion_data verify {} lists all such pictures, with --out DIR it writes a data "
                                     "set without them",
                                     dataset.root.string())));
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

SplitPredictions predict_pictures(const VisualModel& model, const Device& device, const Manifest& manifest,
                                  const PictureView& view, Predictions predictions,
                                  const std::function<at::Tensor(const at::Tensor&)>& scores) {
  SplitPredictions result{std::move(predictions), {}};
  const auto labels = std::exchange(result.predictions.labels, {});
  for_each_batch(model, device, manifest, view, [&](const auto& samples, const at::Tensor& features) {
    append_scores(result.predictions, scores(features));
    for (const std::uint64_t i : samples) result.predictions.labels.push_back(labels[i]);
    result.samples.insert(result.samples.end(), samples.begin(), samples.end());
  });
  return result;
}

at::Tensor extract_features(const VisualModel& model, const Device& device, const Manifest& manifest, int batch, int workers) {
  std::vector<at::Tensor> parts;
  for_each_batch(model, device, manifest, batch, workers,
                 [&](const auto&, const at::Tensor& features) { parts.push_back(features.cpu()); });
  return at::cat(parts);
}

at::Tensor picture_batch(const Device& device, const Image& picture) {
  ImageBatch batch{.samples = {0}, .width = picture.width, .height = picture.height, .pixels = {}};
  batch.pixels = std::make_shared<std::uint8_t[]>(picture.pixels.size());
  std::copy(picture.pixels.begin(), picture.pixels.end(), batch.pixels.get());
  return device.images(batch);
}

std::optional<Image> largest_face(FaceFinder& finder, const Image& picture) {
  const auto face = finder.largest(picture);
  if (!face) return std::nullopt;
  const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(face->pixels.size()))));
  Image image{side, side, {}};
  for (const std::uint8_t grey : face->pixels) image.pixels.insert(image.pixels.end(), {grey, grey, grey});
  return image;
}

LoosePictures::LoosePictures(const VisualModel& model)
    : transform_(model.transform()), faces_(model.config().data.picture == "face") {}

std::optional<Image> LoosePictures::load(const std::filesystem::path& file) {
  if (!faces_) return load_image(file, transform_, {});
  if (!finder_) finder_.emplace(FaceOptions{});
  const auto face = largest_face(*finder_, decode_image(file));
  return face ? std::optional(transform_picture(*face, transform_, {}, std::nullopt, file)) : std::nullopt;
}

void check_sees_whole_pictures(const VisualModel& model, const std::filesystem::path& folder) {
  if (model.config().data.picture != "face") return;
  throw DataError(
      fmt::format("{}: {} sees faces (data.picture), which a folder of pictures does not name; make a data set of it "
                  "(emotion_data import) and find them with emotion_data faces",
                  folder.string(), model.file().string()));
}

Manifest folder_manifest(const std::filesystem::path& folder, const std::filesystem::path& scratch) {
  namespace fs = std::filesystem;
  std::vector<std::string> images;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && has_picture_name(entry.path())) {
      check_utf8_name(entry.path().string());
      images.push_back(entry.path().lexically_relative(folder).string());
    }
  }
  if (images.empty()) throw DataError(folder.string() + ": there is no picture in it");
  std::sort(images.begin(), images.end());
  Dataset dataset;
  dataset.root = scratch;
  dataset.name = folder.filename().string();
  dataset.classes = {"none"};
  dataset.image_root = fs::canonical(folder);
  dataset.splits = {{"all", "all.jsonl"}};
  dataset.unlisted = true;
  ManifestWriter writer(scratch / "all.jsonl");
  for (const auto& image : images) {
    Sample sample;
    sample.image = image;
    writer.write(sample);
  }
  writer.close();
  return Manifest::open(dataset, "all");
}

}  // namespace emotion
