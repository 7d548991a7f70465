#include "emotion/eval/feature_file.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "emotion/data/stimulus_path.h"
#include "emotion/error.h"
#include "emotion/eval/feature_cache.h"
#include "emotion/io/content_hash.h"
#include "emotion/io/file_lock.h"
#include "emotion/io/weights.h"
#include "emotion/log.h"
#include "file_stamps.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

constexpr const char* kTensor = "features";

/// Sizes and times of the region files and faces a network reads.
std::string stimuli_hash(const Manifest& manifest) {
  ContentHash hash;
  const auto path_of = [&](std::size_t k) { return k % 2 == 0 ? manifest[k / 2].regions : manifest[k / 2].face; };
  const std::vector<FileStamp> stamps = file_stamps(2 * manifest.size(), [&](std::size_t k) -> std::string {
    return path_of(k).empty() ? "" : stimulus_path(manifest.dataset(), path_of(k)).string();
  });
  for (std::size_t k = 0; k < stamps.size(); ++k) {
    hash.add(path_of(k));
    if (path_of(k).empty()) continue;
    // Of one that is missing, reading says what is wrong with it.
    hash.add(stamps[k].size < 0 ? "none" : fmt::format("{} {}", stamps[k].size, stamps[k].time));
  }
  return hash.hex();
}

/// The pieces of a split's rows, some of them done.
class Pieces {
 public:
  Pieces(const FeatureRows& rows, std::uint64_t piece, fs::path folder, const ProcessGroup& group)
      : rows_(rows), piece_(piece), folder_(std::move(folder)), group_(group), rank_(group.rank()), size_(group.size()) {}

  std::uint64_t count() const { return (rows_.samples.size() + piece_ - 1) / piece_; }
  std::uint64_t rows_of(std::uint64_t i) const { return std::min<std::uint64_t>(piece_, rows_.samples.size() - i * piece_); }

  /// Rows of a piece that is done, if it is whole and of the same making.
  std::optional<at::Tensor> read(std::uint64_t i) const {
    if (!fs::exists(file(i))) return std::nullopt;
    try {
      const StateDict state = read_safetensors(file(i));
      const at::Tensor* kept = state.find(kTensor);
      if (!kept || state.metadata != key(i)) return std::nullopt;
      if (kept->sizes() != at::IntArrayRef{static_cast<std::int64_t>(rows_of(i)), rows_.dimension}) return std::nullopt;
      return *kept;
    } catch (const WeightsError&) {
      return std::nullopt;
    }
  }

  /// This process's pieces that are not done.
  std::vector<std::uint64_t> missing() const {
    std::vector<std::uint64_t> all;
    for (auto i = static_cast<std::uint64_t>(rank_); i < count(); i += static_cast<std::uint64_t>(size_)) {
      if (!read(i)) all.push_back(i);
    }
    return all;
  }

  /// One pass over the samples of those pieces: decoding does not pause between them.
  void compute(const std::vector<std::uint64_t>& pieces) const {
    if (pieces.empty()) return;
    std::vector<std::uint64_t> samples;
    for (const std::uint64_t i : pieces) {
      const auto begin = rows_.samples.begin() + static_cast<std::ptrdiff_t>(i * piece_);
      samples.insert(samples.end(), begin, begin + static_cast<std::ptrdiff_t>(rows_of(i)));
    }
    std::size_t next = 0;
    at::Tensor pending = at::empty({0, rows_.dimension}, at::kFloat);
    const ProcessGroup::Steps steps(group_);
    rows_.compute(samples, [&](const at::Tensor& rows) {
      steps.step();
      pending = at::cat({pending, rows});
      while (next < pieces.size() && pending.size(0) >= static_cast<std::int64_t>(rows_of(pieces[next]))) {
        const auto n = static_cast<std::int64_t>(rows_of(pieces[next]));
        write(pieces[next++], pending.narrow(0, 0, n));
        pending = pending.narrow(0, n, pending.size(0) - n);
      }
    });
  }

 private:
  fs::path file(std::uint64_t i) const { return folder_ / fmt::format("{:08}.safetensors", i); }
  std::map<std::string, std::string> key(std::uint64_t i) const {
    auto all = rows_.key;
    all["rows"] = fmt::format("{} from {} of {}", rows_of(i), i * piece_, rows_.samples.size());
    return all;
  }
  void write(std::uint64_t i, const at::Tensor& rows) const {
    StateDict state;
    state.add(kTensor, rows);
    state.metadata = key(i);
    write_safetensors(file(i), state);
  }

  const FeatureRows& rows_;
  std::uint64_t piece_;
  fs::path folder_;
  const ProcessGroup& group_;
  int rank_, size_;
};

at::Tensor assemble(const Pieces& pieces, const FeatureRows& rows, const fs::path& folder) {
  at::Tensor all = at::empty({static_cast<std::int64_t>(rows.samples.size()), rows.dimension}, at::kFloat);
  std::int64_t row = 0;
  for (std::uint64_t i = 0; i < pieces.count(); ++i) {
    const auto kept = pieces.read(i);
    if (!kept) throw RunError(fmt::format("{}: piece {} is not there; do all processes see this folder?", folder.string(), i));
    all.narrow(0, row, kept->size(0)).copy_(*kept);
    row += kept->size(0);
  }
  return all;
}

}  // namespace

FeatureRows feature_rows(const VisualModel& model, const Device& device, const Manifest& manifest, const PictureView& view) {
  FeatureRows rows;
  rows.samples = samples_in_view(manifest, view);
  rows.dimension = model.dimension();
  rows.key = feature_key(model, manifest, {.cache = {}, .views = 0, .view = view});
  rows.compute = [&model, &device, &manifest, view](const auto& samples, const auto& each) {
    for_each_batch(model, device, manifest, view, samples,
                   [&](const auto&, const at::Tensor& features) { each(features.cpu()); });
  };
  return rows;
}

FeatureRows feature_rows(const TrainedStimuliNet& model, const Device& device, const Manifest& manifest, int batch, int workers) {
  FeatureRows rows;
  rows.samples = samples_in_view(manifest, {});
  rows.dimension = model.network->classifier->weight.size(1);
  rows.key = {{"weights", file_hash(model.file)},
              {"config", print_run_config(model.config)},
              {"pictures", pictures_hash(manifest, {})},
              {"stimuli", stimuli_hash(manifest)}};
  rows.compute = [&model, &device, &manifest, batch, workers](const auto& samples, const auto& each) {
    for_each_batch(model, device, manifest, samples, batch, workers,
                   [&](const auto&, const StimuliNetOutput& output) { each(output.features.to(at::kFloat).cpu()); });
  };
  return rows;
}

at::Tensor shared_features(const FeatureRows& rows, std::uint64_t piece, const fs::path& folder, ProcessGroup& group) {
  group.wait_for_all();  // the keys are of every file's state: how long that takes is each disk's own
  for (const auto& [name, value] : rows.key) group.check_same(name, value);
  const Pieces pieces(rows, piece, folder, group);
  std::optional<FileLock> lock;  // against another command that writes the same file
  group.on_root([&] {
    do {  // once more if the one that held it was done with the folder, and removed it
      std::error_code error;
      fs::create_directories(folder, error);
      if (error) throw RunError(fmt::format("{}: cannot be made: {}", folder.string(), error.message()));
      lock.emplace(folder / "lock");
    } while (!fs::exists(folder / "lock"));
  });
  const auto missing = pieces.missing();
  const std::uint64_t own =
      (pieces.count() + static_cast<std::uint64_t>(group.size() - 1 - group.rank())) / static_cast<std::uint64_t>(group.size());
  if (missing.size() < own) log_info("{}: {} of {} pieces are done already", folder.string(), own - missing.size(), own);
  try {
    pieces.compute(missing);
  } catch (const Interrupted&) {
    throw Interrupted(folder.string() + ": interrupted; the same command goes on from the pieces there");
  }
  group.wait_for_all();
  at::Tensor all;
  if (group.is_root()) all = assemble(pieces, rows, folder);
  return all;
}

}  // namespace emotion
