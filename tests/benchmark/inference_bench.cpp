// Forwards one batch for each line it reads, and answers with the milliseconds. With FILE, writes the features there first.
#include <chrono>
#include <iostream>
#include <string>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>

#include "emotion/io/weights.h"
#include "emotion/model/backbone.h"
#include "emotion/model/load_state.h"
#include "emotion/train/device.h"
#include "emotion/train/tensor_memory.h"

using namespace emotion;

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: inference_bench BACKBONE WEIGHTS INPUT FEATURES\n";
    return 2;
  }
  keep_tensor_memory();
  const at::NoGradGuard no_grad;
  const Device device = Device::open("cpu");
  const auto network = make_backbone(argv[1]);
  load_module_state(*network, read_safetensors(argv[2]), argv[2]);
  device.place(*network);
  network->eval();
  const StateDict input = read_safetensors(argv[3]);
  const at::Tensor images = input.find("images")->contiguous(at::MemoryFormat::ChannelsLast);
  StateDict out;
  out.add("features", network->forward(images));
  write_safetensors(argv[4], out);
  std::cout << at::get_num_threads() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    const auto begin = std::chrono::steady_clock::now();
    network->forward(images);
    std::cout << std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count() << std::endl;
  }
  return 0;
}
