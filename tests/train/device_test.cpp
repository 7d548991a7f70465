#include "emotion/train/device.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/flip_image.h"
#include "../support/log_capture.h"
#include "../support/scratch.h"
#include "emotion/data/loader.h"
#include "emotion/data/manifest.h"
#include "emotion/data/resize.h"
#include "emotion/error.h"
#include "emotion/model/image_classifier.h"
#include "emotion/train/distributed.h"

namespace emotion {
namespace {

ImageBatch two_pictures() {
  ImageBatch batch{.samples = {4, 9}, .width = 3, .height = 2, .pixels = std::make_shared<std::uint8_t[]>(36)};
  for (std::size_t i = 0; i < 36; ++i) batch.pixels[i] = static_cast<std::uint8_t>(7 * i);
  return batch;
}

// Bytes lie picture, row, column, channel. Byte 0 is red: (0 / 255 - 0.485) / 0.229 = -2.117904.
// The last, 245, is blue: (245 / 255 - 0.406) / 0.225 = 2.465708. Row 1, column 0, green of the second: byte 28 = 196:
// (196 / 255 - 0.456) / 0.224 = 1.395658.
TEST(Device, BytesBecomeNormalisedFloatsOnTheDevice) {
  ImageBatch batch = two_pictures();
  const at::Tensor images = Device::open("cpu").images(batch);
  ASSERT_EQ(images.sizes(), at::IntArrayRef({2, 3, 2, 3}));
  EXPECT_EQ(images.scalar_type(), at::kFloat);
  EXPECT_TRUE(images.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_NEAR(images[0][0][0][0].item<float>(), -2.117904, 1e-6);
  EXPECT_NEAR(images[1][2][1][2].item<float>(), 2.465708, 1e-6);
  EXPECT_NEAR(images[1][1][1][0].item<float>(), (((18 + 9 + 1) * 7 % 256) / 255.0 - 0.456) / 0.224, 1e-6);
  const at::Tensor contiguous = Device::open("cpu", "off", /*channels_last=*/false).images(batch);
  EXPECT_TRUE(contiguous.is_contiguous());
  EXPECT_TRUE(at::equal(contiguous, images));
}

// Bytes count 7 i; row 0 of the second picture is 126 133 140 | 147 154 161 | 168 175 182, modulo 256.
TEST(Device, MirrorsTheRowsOfABatchThatSaySo) {
  ImageBatch batch = two_pictures();
  const Device device = Device::open("cpu");
  const at::Tensor plain = device.pixels(batch).clone();
  batch.mirrored = {1};
  const at::Tensor mirrored = device.pixels(batch);
  ASSERT_EQ(mirrored.sizes(), at::IntArrayRef({2, 2, 3, 3}));
  EXPECT_EQ(mirrored.scalar_type(), at::kByte);
  EXPECT_TRUE(mirrored.is_contiguous());
  EXPECT_TRUE(at::equal(mirrored[0], plain[0]));
  EXPECT_TRUE(at::equal(mirrored[1][0].flatten().to(at::kLong), at::tensor({168, 175, 182, 147, 154, 161, 126, 133, 140})));
  EXPECT_TRUE(at::equal(mirrored[1], plain[1].flip({1})));
  EXPECT_EQ(mirrored.data_ptr(), batch.pixels.get());      // on the CPU nothing is copied
  EXPECT_TRUE(at::equal(device.pixels(batch), mirrored));  // nor mirrored a second time
}

TEST(Device, TensorsAreMirroredAsBytesAre) {
  at::manual_seed(5);
  at::Tensor pictures = at::randint(0, 256, {5, 7, 6, 3}, at::kByte);
  const at::Tensor before = pictures.clone();
  mirror_rows(pictures, at::tensor({1, 4}, at::kLong));
  for (std::int64_t i = 0; i < 5; ++i) {
    at::Tensor expected = before[i].clone();
    if (i == 1 || i == 4) mirror_pixels(expected.data_ptr<std::uint8_t>(), 6, 7);
    EXPECT_TRUE(at::equal(pictures[i], expected)) << i;
  }
}

// The loader's batches against pictures that are mirrored one by one, as bytes, before they make a batch.
TEST(Device, ImagesAreThoseOfPicturesMirroredAsBytes) {
  const Manifest data = Manifest::open(Dataset::open(std::string(EMOTION_TEST_DATA) + "/fixtures/tiny"), "single");
  std::vector<std::uint64_t> order(data.size());
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  const Transform transform{.size = 20};
  for (const bool channels_last : {true, false}) {
    const Device device = Device::open("cpu", "off", channels_last);
    ImageLoader loader(data, {.transform = transform, .seed = 7, .batch = 5, .workers = 2}, order, 3);
    std::size_t mirrored = 0;
    while (auto batch = loader.next()) {
      ImageBatch wanted{.samples = batch->samples, .width = 20, .height = 20};
      wanted.pixels = std::make_shared<std::uint8_t[]>(batch->samples.size() * 20 * 20 * 3);
      for (std::size_t i = 0; i < batch->samples.size(); ++i) {
        const std::uint64_t sample = batch->samples[i];
        Image image = load_image(data.image_path(sample), transform, {7, 3, sample});
        if (is_mirrored(transform, {7, 3, sample})) {
          image = flip_image(image);
          ++mirrored;
        }
        std::copy(image.pixels.begin(), image.pixels.end(), wanted.pixels.get() + i * image.pixels.size());
      }
      const at::Tensor images = device.images(*batch);
      EXPECT_TRUE(at::equal(images, device.images(wanted)));
      EXPECT_TRUE(images.is_contiguous(channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous));
    }
    EXPECT_GT(mirrored, 0U);
    EXPECT_LT(mirrored, data.size());
  }
}

// The same network, images and labels in float32 and under autocast: bfloat16 has 8 bits, 2^-8 = 0.4 % a rounding.
TEST(Device, Bf16AgreesWithFloat32) {
  at::manual_seed(3);
  const Device plain = Device::open("cpu"), mixed = Device::open("cpu", "bf16");
  ImageClassifier network("resnet18", 8);
  plain.place(*network);
  const at::Tensor images = at::randn({8, 3, 64, 64}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor labels = at::arange(8);
  const auto run = [&](const Device& device) {
    network->zero_grad();
    network->train();
    at::Tensor logits;
    {
      const AutocastScope autocast(device);
      logits = network->forward(images);
    }
    at::cross_entropy_loss(logits.to(at::kFloat), labels).backward();
    std::vector<at::Tensor> gradients;
    for (const auto& parameter : network->parameters()) gradients.push_back(parameter.grad().flatten().clone());
    return std::pair(logits, at::cat(gradients));
  };
  const auto [wanted, wanted_gradient] = run(plain);
  const auto [got, gradient] = run(mixed);
  EXPECT_EQ(wanted.scalar_type(), at::kFloat);
  EXPECT_EQ(got.scalar_type(), at::kBFloat16);
  EXPECT_EQ(gradient.scalar_type(), at::kFloat);  // the weights stay in float32
  const double error = ((got.to(at::kFloat) - wanted).norm() / wanted.norm()).item<double>();
  EXPECT_GT(error, 1e-5);  // it did compute in bfloat16
  EXPECT_LT(error, 0.05);
  // With batch statistics PyTorch's own autocast gives 0.936 to 0.943 on this network and batch, over three seeds.
  EXPECT_GT(at::cosine_similarity(gradient, wanted_gradient, 0).item<double>(), 0.9);
  // Off again at the end of the scope.
  EXPECT_EQ(network->forward(images).scalar_type(), at::kFloat);
}

// torchrun shows every process all GPUs of its host, Slurm's --gpus-per-task its own alone.
TEST(Device, EachProcessTakesAGpuThatItSees) {
  EXPECT_EQ(own_gpu(0, 4), 0);
  EXPECT_EQ(own_gpu(3, 4), 3);
  EXPECT_EQ(own_gpu(0, 1), 0);
  EXPECT_EQ(own_gpu(3, 1), 0);
  EXPECT_EQ(own_gpu(2, 2), 2);  // opening it says that there are two
}

/// The switches of a GPU's kernels, as they are at first at the end of the scope.
struct GpuSwitches {
  at::Context& context = at::globalContext();
  GpuSwitches() { ::unsetenv("CUBLAS_WORKSPACE_CONFIG"); }
  ~GpuSwitches() {
    context.setAllowTF32CuDNN(true);
    context.setAllowTF32CuBLAS(false);
    context.setBenchmarkCuDNN(false);
    context.setDeterministicCuDNN(false);
    context.setDeterministicAlgorithms(false, false);
    context.setDeterministicFillUninitializedMemory(true);
    ::unsetenv("CUBLAS_WORKSPACE_CONFIG");
  }
};

TEST(Device, AGpuGivesTheSameBitsEveryTimeAndNoTF32UnlessAsked) {
  const GpuSwitches switches;
  const at::Context& context = switches.context;
  ASSERT_TRUE(context.allowTF32CuDNN());  // LibTorch's own default
  set_gpu_arithmetic({});
  EXPECT_FALSE(context.allowTF32CuDNN());
  EXPECT_FALSE(context.allowTF32CuBLAS());
  EXPECT_FALSE(context.benchmarkCuDNN());
  EXPECT_TRUE(context.deterministicCuDNN());
  EXPECT_TRUE(context.deterministicAlgorithms());
  EXPECT_TRUE(context.deterministicAlgorithmsWarnOnly());
  EXPECT_FALSE(context.deterministicFillUninitializedMemory());
  EXPECT_STREQ(std::getenv("CUBLAS_WORKSPACE_CONFIG"), ":4096:8");
}

TEST(Device, AFastGpuIsAskedForAndWhatIsSetOutsideStays) {
  const GpuSwitches switches;
  const at::Context& context = switches.context;
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8", 1);
  set_gpu_arithmetic({});
  EXPECT_STREQ(std::getenv("CUBLAS_WORKSPACE_CONFIG"), ":16:8");
  set_gpu_arithmetic({.deterministic = false, .tf32 = true});
  EXPECT_TRUE(context.allowTF32CuDNN());
  EXPECT_TRUE(context.allowTF32CuBLAS());
  EXPECT_FALSE(context.deterministicCuDNN());
  EXPECT_FALSE(context.deterministicAlgorithms());
}

// Deterministic algorithms on a CPU cost time, and change nothing that a run computes.
TEST(Device, ACpuLeavesTheSwitchesAsTheyAre) {
  const GpuSwitches switches;
  Device::open("cpu");
  EXPECT_FALSE(switches.context.deterministicAlgorithms());
  EXPECT_TRUE(switches.context.allowTF32CuDNN());
  EXPECT_EQ(std::getenv("CUBLAS_WORKSPACE_CONFIG"), nullptr);
}

// A machine with a GPU whose LibTorch is a CPU's.
TEST(Device, AMissingCudaLibraryIsTold) {
  const ScratchFolder folder;
  const std::string driver = (folder.path() / "driver").string(), library = (folder.path() / "libgone.so").string();
  const std::string problem = library + ": cannot open shared object file: No such file or directory";
  EXPECT_EQ(error_of<RunError>([&] {
              Device::find("cuda", {driver, library});
            }),
            "device cuda: no CUDA device can be used here (" + problem +
                "); install the driver and the CUDA libraries (bash tools/setup.sh --cuda), or take --device cpu");
  LogCapture log(LogLevel::kWarning);
  EXPECT_TRUE(Device::find("auto", {driver, library}).is_cpu());  // no driver: nothing is missing
  EXPECT_TRUE(Device::find("cpu", {driver, library}).is_cpu());
  write_text(driver, "");
  EXPECT_TRUE(Device::find("auto", {driver, library}).is_cpu());
  EXPECT_TRUE(Device::find("auto", {driver, library}).is_cpu());  // told once
  const std::string text = log.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_THAT(text, ::testing::EndsWith("warning: device auto takes the CPU, though a GPU's driver is there: " + problem +
                                        "; bash tools/setup.sh --cuda adds the CUDA libraries, --device cpu does without\n"));
}

TEST(Device, UnknownNamesAreErrors) {
  EXPECT_THROW(Device::open("gpu"), ConfigError);
  EXPECT_THROW(Device::open("cpu", "fp8"), ConfigError);
  EXPECT_THROW(Device::open("cpu", "fp16"), ConfigError);
}

}  // namespace
}  // namespace emotion
