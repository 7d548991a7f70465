// What a program that uses the installed library needs: headers, a function, an exception that crosses the library's border,
// and a network, whose interface is LibTorch's too.
#include <iostream>
#include <string_view>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/model/emotion_net.h"
#include "emotion/random.h"
#include "emotion/version.h"

/// One black picture through a small network.
bool network_answers() {
  const at::NoGradGuard no_grad;
  emotion::EmotionNetOptions options;
  options.backbone = "resnet18";
  options.classes = 3;
  options.embedding = 8;
  emotion::EmotionNet network(options);
  network->eval();
  const emotion::EmotionNetOutput output = network->forward(at::zeros({1, 3, 32, 32}));
  return output.logits.sizes() == at::IntArrayRef({1, 3}) && output.projection.sizes() == at::IntArrayRef({1, 8});
}

int main() {
  emotion::Random random{1, 2, 3};
  if (emotion::path_below("photos", "img/1.jpg") != "photos/img/1.jpg" || random.below(10) >= 10) return 1;
  try {
    emotion::path_below("photos", "../secret");
    return 1;
  } catch (const emotion::DataError& error) {
    emotion::log_info("refused as it should be: {}", error.what());
  }
  if (!network_answers()) return 1;
  // The library opened is of the version that find_package found.
  if (std::string_view(emotion::version()) != EMOTION_VERSION) return 1;
  std::cout << "emotion " << emotion::version() << '\n';
}
