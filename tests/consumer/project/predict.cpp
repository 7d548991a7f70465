#include <filesystem>
#include <iostream>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/softmax.h>

#include "emotion/error.h"
#include "emotion/eval/loose_pictures.h"

/// run: a run folder or model.safetensors
void predict(const std::filesystem::path& run, const std::filesystem::path& picture) {
  const at::NoGradGuard no_grad;
  const emotion::Device device = emotion::Device::open("auto");
  const emotion::VisualModel model = emotion::VisualModel::open(run, {}, device);
  emotion::LoosePictures pictures(model);  // resized and cropped as the run's evaluation does it
  const auto image = pictures.load(picture);
  if (!image) return;  // the network sees faces, and the picture has none
  const at::Tensor logits = model.logits(model.features(emotion::picture_batch(device, *image)));
  const at::Tensor probabilities = at::softmax(logits, 1).cpu().contiguous();
  for (std::size_t k = 0; k < model.classes().size(); ++k)
    std::cout << model.classes()[k] << ' ' << probabilities.const_data_ptr<float>()[k] << '\n';
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    predict(argv[1], argv[2]);
  } catch (const emotion::Error& error) {
    std::cerr << error.what() << '\n';
    return static_cast<int>(error.code());
  }
}
