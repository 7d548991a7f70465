#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "emotion/config/run_config.h"
#include "emotion/data/manifest.h"
#include "emotion/io/weights.h"
#include "emotion/model/stimuli_net.h"
#include "emotion/train/device.h"

namespace emotion {

/// Bytes that readers may keep in memory, all of them together. Safe from several threads.
class CacheBudget {
 public:
  explicit CacheBudget(std::int64_t bytes) : left_(bytes) {}
  /// False, and nothing taken, if fewer are left.
  bool take(std::int64_t bytes) {
    if (left_.fetch_sub(bytes) >= bytes) return true;
    left_.fetch_add(bytes);
    return false;
  }
  std::int64_t left() const { return left_; }

 private:
  std::atomic<std::int64_t> left_;
};

/// Reads what the manifest says of a sample's stimuli: its region file and its face. What was read stays in memory up to a
/// budget, which several readers may share.
class StimuliReader {
 public:
  struct Options {
    bool regions = true, faces = true;
    std::int64_t max_regions = 10;  ///< N: the first of a region file
    std::int64_t width = 0;         ///< F; 0 = that of the split's first region file
    std::shared_ptr<CacheBudget> cache = std::make_shared<CacheBudget>(std::int64_t{1} << 30);
  };
  /// The manifest must outlive the reader.
  /// @throws DataError for a broken first region file
  StimuliReader(const Manifest& manifest, const Options& options);
  ~StimuliReader();
  StimuliReader(StimuliReader&&) noexcept;

  std::int64_t width() const;
  std::uint64_t with_regions() const, with_face() const;  ///< samples that have them
  bool has_face(std::uint64_t sample) const;
  /// How many regions the files were cut to, where that is fewer than max_regions; 0 = enough, or not known. Files that do not
  /// say count by what they hold, up to a thousand of them. @throws DataError, WeightsError for a broken file
  std::int64_t cut_to() const;
  /// Regions and faces of a batch on the device; images are left undefined.
  /// @throws DataError, WeightsError naming the sample's place and the file
  StimuliInput read(const std::vector<std::uint64_t>& samples, const Device& device) const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

/// With a budget of its own, of data.cache_mb.
StimuliReader::Options stimuli_reader_options(const RunConfig& config, std::int64_t width);

/// What a config makes of the network. width: of the region features.
StimuliNetOptions stimuli_net_options(const RunConfig& config, std::int64_t classes, std::int64_t width);

/// A trained StimuliNet, ready to predict.
struct TrainedStimuliNet {
  StimuliNet network{nullptr};
  RunConfig config;
  std::vector<std::string> classes;
  std::vector<std::int8_t>
      polarity;         ///< of each class: 1 positive, -1 negative; empty where the training data gives none or is not there
  std::string faces;    ///< how the faces it was trained on were found: face_settings(); empty where that is not known
  std::string regions;  ///< what found the regions it was trained on: RegionFile::source; empty likewise
  std::filesystem::path file;
};
/// @throws WeightsError
TrainedStimuliNet load_stimuli_net(const std::filesystem::path& checkpoint, const std::vector<std::string>& settings,
                                   const Device& device);

/// Training data: a branch that is on needs something to learn from. A split of which no sample names regions (with
/// model.semantic.regions > 0) or a face never went through emotion_data regions or faces. @throws DataError naming the step
void check_training_stimuli(const RunConfig& config, const Manifest& manifest);

/// Data that a trained network is run on: as check_training_stimuli() where no branch would see anything; where another one does,
/// a warning for each that does not. Pictures in which emotion_data faces has looked for faces in vain are as they are.
/// @throws DataError naming the step
void check_stimuli(const RunConfig& config, const Manifest& manifest);
/// The same, and warn_of_other_regions() of the manifest.
void check_stimuli(const TrainedStimuliNet& model, const Manifest& manifest);
/// The same for a folder of pictures, which names neither regions nor faces.
void check_stimuli(const TrainedStimuliNet& model, const std::filesystem::path& folder);

/// What found the regions of a split, as its first region file says; empty where a network of that config looks at none, or the
/// file does not say. @throws DataError, WeightsError for a broken file
std::string read_region_source(const RunConfig& config, const Manifest& manifest);

/// Regions that something else found than those a network was trained on are told in the log: with other features, or another
/// order, the network reads them wrongly. Of regions that were imported no more is known than a file's name: nothing is said.
/// `where`: what the regions `now` are of
void warn_of_other_regions(const std::string& trained_on, const std::string& now, const std::string& where);

}  // namespace emotion
