#include "emotion/data/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <filesystem>
#include <mutex>
#include <new>
#include <thread>

#include <fmt/format.h>

#include "emotion/data/decode.h"
#include "emotion/data/stimulus_path.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/threads.h"

namespace emotion {
namespace {

/// A batch while its samples are decoded.
struct Slot {
  std::size_t first = 0, count = 0;  // positions in the order
  std::vector<Image> images;
  std::vector<std::string> errors;           // one a sample: what is broken; empty = nothing
  std::vector<std::exception_ptr> failures;  // one a sample: what says nothing about the picture, and stops any run
  std::size_t left = 0;                      // samples not decoded yet
  bool ready = false;
  ImageBatch batch;
  std::exception_ptr failure;  // what stops the run at this batch
};

/// A worker takes one sample at a time: two for each keep all of them busy, and a batch is ready while the next is decoded. More
/// are memory alone, pinned for a GPU.
std::size_t batches_ahead(std::size_t workers, std::size_t batch) {
  return std::clamp<std::size_t>(2 * workers / std::max<std::size_t>(batch, 1) + 2, 3, 8);
}

}  // namespace

struct ImageLoader::Data {
  const Manifest& manifest;
  LoaderOptions options;
  std::vector<std::uint64_t> order;
  std::uint64_t epoch;

  std::mutex mutex;
  std::condition_variable work, done;
  std::deque<std::unique_ptr<Slot>> slots;  // front = the batch next() gives
  std::size_t next_position;                // of the order: not in a slot yet
  Slot* filling = nullptr;                  // the slot whose samples are being handed out
  std::size_t handed_out = 0;               // of `filling`
  std::size_t ahead;
  bool stop = false;
  std::vector<std::string> skipped;
  double waited = 0;
  std::vector<std::thread> threads;

  Data(const Manifest& m, LoaderOptions o, std::vector<std::uint64_t> order_in, std::uint64_t epoch_in, std::size_t first)
      : manifest(m), options(std::move(o)), order(std::move(order_in)), epoch(epoch_in), next_position(first) {
    const unsigned workers = worker_count(options.workers);
    ahead = options.ahead > 0 ? static_cast<std::size_t>(options.ahead) : batches_ahead(workers, options.batch);
    threads = start_threads(workers, [this] { run(); });
  }

  ~Data() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    work.notify_all();
    for (auto& thread : threads) thread.join();
  }

  /// The next sample to decode, opening a new slot when there is room; nothing when there is none. Called with the lock held.
  bool take(Slot*& slot, std::size_t& i) {
    if (filling == nullptr) {
      if (next_position >= order.size() || slots.size() >= ahead) return false;
      auto fresh = std::make_unique<Slot>();
      fresh->first = next_position;
      fresh->count = fresh->left = std::min(options.batch, order.size() - next_position);
      fresh->images.resize(fresh->count);
      fresh->errors.resize(fresh->count);
      fresh->failures.resize(fresh->count);
      next_position += fresh->count;
      filling = fresh.get();
      handed_out = 0;
      slots.push_back(std::move(fresh));
    }
    slot = filling;
    i = handed_out++;
    if (handed_out == slot->count) filling = nullptr;
    return true;
  }

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      Slot* slot = nullptr;
      std::size_t i = 0;
      work.wait(lock, [&] { return stop || take(slot, i); });
      if (stop) return;
      lock.unlock();
      decode(*slot, i);
      lock.lock();
      if (--slot->left > 0) continue;
      lock.unlock();
      assemble(*slot);
      lock.lock();
      slot->ready = true;
      done.notify_all();
    }
  }

  void decode(Slot& slot, std::size_t i) {
    const std::uint64_t sample = order[slot.first + i];
    const auto placed = [&](const std::string& text) {
      return manifest.dataset().unlisted ? text : fmt::format("{}: {}", manifest.place(sample), text);
    };
    std::filesystem::path file;
    try {
      const auto box = options.crop_box ? manifest[sample].box : std::nullopt;
      file = options.picture == Picture::kFace ? stimulus_path(manifest.dataset(), manifest[sample].face)
                                               : manifest.image_path(sample);
      const DrawKey key{options.seed, epoch, sample};
      slot.images[i] = options.cache ? transform_picture(*decoded(sample, file), options.transform, key, box, file)
                                     : load_image(file, options.transform, key, box);
    } catch (const DataError& error) {
      slot.errors[i] = placed(error.what());
    } catch (const Error& error) {
      slot.failures[i] = std::make_exception_ptr(Error(placed(error.what()), error.code()));
    } catch (const std::bad_alloc&) {
      slot.failures[i] = std::make_exception_ptr(RunError(placed(file.string() + ": out of memory; use fewer workers")));
    } catch (const std::exception& error) {
      slot.failures[i] = std::make_exception_ptr(RunError(placed(file.string() + ": " + error.what())));
    }
  }

  /// The whole picture, from the cache or for it.
  std::shared_ptr<const Image> decoded(std::uint64_t sample, const std::filesystem::path& file) {
    if (auto kept = options.cache->find(sample)) return kept;
    auto picture = std::make_shared<const Image>(decode_image(file));
    options.cache->keep(sample, picture);
    return picture;
  }

  /// All images of a slot into one buffer, in order.
  void assemble(Slot& slot) {
    try {
      std::vector<std::size_t> good;
      for (std::size_t i = 0; i < slot.count; ++i) {
        if (slot.failures[i]) std::rethrow_exception(slot.failures[i]);
        if (slot.errors[i].empty())
          good.push_back(i);
        else if (options.on_error == OnError::kStop)
          throw DataError(slot.errors[i]);
      }
      if (good.empty()) return;
      ImageBatch& batch = slot.batch;
      batch.width = slot.images[good[0]].width;
      batch.height = slot.images[good[0]].height;
      const std::size_t bytes = slot.images[good[0]].pixels.size();
      batch.pixels = options.allocate ? options.allocate(bytes * good.size())
                                      : std::make_shared_for_overwrite<std::uint8_t[]>(bytes * good.size());
      for (std::size_t n = 0; n < good.size(); ++n) {
        const Image& image = slot.images[good[n]];
        const std::uint64_t sample = order[slot.first + good[n]];
        if (image.width != batch.width || image.height != batch.height) {
          throw DataError(
              fmt::format("{}{}: {} x {} pixels in a batch of {} x {}; set data.augment or data.resize so that all have one size",
                          manifest.dataset().unlisted ? "" : manifest.place(sample) + ": ", manifest.image_path(sample).string(),
                          image.width, image.height, batch.width, batch.height));
        }
        std::memcpy(batch.pixels.get() + n * bytes, image.pixels.data(), bytes);
        batch.samples.push_back(sample);
        if (is_mirrored(options.transform, {options.seed, epoch, sample})) batch.mirrored.push_back(static_cast<std::int64_t>(n));
      }
    } catch (...) {
      slot.failure = std::current_exception();
    }
    slot.images.clear();
  }
};

ImageLoader::ImageLoader(const Manifest& manifest, LoaderOptions options, std::vector<std::uint64_t> order, std::uint64_t epoch,
                         std::size_t first)
    : data_(std::make_unique<Data>(manifest, std::move(options), std::move(order), epoch, first)) {}

ImageLoader::~ImageLoader() = default;

std::optional<ImageBatch> ImageLoader::next() {
  std::unique_lock lock(data_->mutex);
  if (data_->slots.empty() && data_->next_position >= data_->order.size()) return std::nullopt;
  const auto begin = std::chrono::steady_clock::now();
  data_->done.wait(lock, [this] { return !data_->slots.empty() && data_->slots.front()->ready; });
  data_->waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const std::unique_ptr<Slot> slot = std::move(data_->slots.front());
  data_->slots.pop_front();
  for (const auto& error : slot->errors) {
    if (!error.empty()) data_->skipped.push_back(error);
  }
  lock.unlock();
  data_->work.notify_all();
  if (slot->failure) std::rethrow_exception(slot->failure);
  return std::move(slot->batch);
}

std::vector<std::string> ImageLoader::skipped() const {
  const std::lock_guard lock(data_->mutex);
  return data_->skipped;
}

double ImageLoader::wait_seconds() const {
  const std::lock_guard lock(data_->mutex);
  return data_->waited;
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

}  // namespace emotion
