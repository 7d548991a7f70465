// Does what tests/benchmark/detector.py asks for, once a line, and answers with the milliseconds.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include <ATen/ATen.h>

#include "emotion/io/weights.h"
#include "emotion/stimuli/nms.h"
#include "emotion/stimuli/roi_align.h"
#include "emotion/train/detector_model.h"
#include "emotion/train/detector_pictures.h"
#include "emotion/train/tensor_memory.h"

using namespace emotion;

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: detector_bench FOLDER\n";
    return 2;
  }
  keep_tensor_memory();  // as every command does
  const std::filesystem::path folder = argv[1];
  const StateDict input = read_safetensors(folder / "input.safetensors");
  const auto tensor = [&](const char* name) { return *input.find(name); };
  int min_size = 0, max_size = 0;
  std::ifstream(folder / "sizes") >> min_size >> max_size;
  const TrainedDetector detector = load_detector(
      folder / "weights.safetensors",
      {"model.detector.min_size=" + std::to_string(min_size), "model.detector.max_size=" + std::to_string(max_size)},
      Device::open("cpu"));
  const RoIAlignOptions options{.scale = 0.25};
  for (std::string name; std::getline(std::cin, name);) {
    const bool gradient = name == "roi_align_gradient";
    const at::Tensor map = tensor("map").detach().requires_grad_(gradient);
    const auto begin = std::chrono::steady_clock::now();
    if (name.starts_with("roi_align")) {
      const at::Tensor out = roi_align(map, tensor("rois"), options);
      if (gradient) out.backward(at::ones_like(out));
    } else if (name == "nms") {
      nms(tensor("boxes"), tensor("scores"), 0.7);
    } else if (name == "batched_nms") {
      batched_nms(tensor("boxes"), tensor("scores"), tensor("groups"), 0.7);
    } else {
      const DetectorInput picture = detector_input({tensor("picture")}, detector.network->transform());
      detector.network->detect(move_input(picture, Device::open("cpu"), true), false);
    }
    std::cout << std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count() << std::endl;
  }
  return 0;
}
