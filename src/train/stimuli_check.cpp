#include "emotion/train/stimuli_check.h"

#include <vector>

#include <fmt/format.h>

#include "emotion/data/stimulus_path.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/stimuli/face_settings.h"
#include "emotion/stimuli/region_file.h"
#include "emotion/train/stimuli_model.h"

namespace emotion {
namespace {

/// A branch that finds nothing because a step was forgotten.
struct Forgotten {
  const char* branch;
  std::string text;  // which step it is
};

struct SeenStimuli {
  bool regions = false, faces = false;  // of any sample
};

SeenStimuli seen_in(const Manifest& manifest) {
  SeenStimuli seen;
  for (std::size_t i = 0; i < manifest.size() && !(seen.regions && seen.faces); ++i) {
    seen.regions |= !manifest[i].regions.empty();
    seen.faces |= !manifest[i].face.empty();
  }
  return seen;
}

/// What a network looks at, by its config.
struct Wanted {
  explicit Wanted(const RunConfig& config) {
    const StimuliReader::Options options = stimuli_reader_options(config, 1);
    regions = options.regions && options.max_regions > 0;
    faces = options.faces;
  }
  bool regions, faces;
};

std::vector<Forgotten> forgotten_in(const Manifest& manifest, const Wanted& wanted, const SeenStimuli& seen) {
  const std::string where = manifest.file().string();
  std::vector<Forgotten> all;
  if (wanted.regions && !seen.regions)
    all.push_back({"semantic", where + ": no sample has regions; emotion_data regions finds them"});
  if (wanted.faces && !seen.faces) all.push_back({"expression", where + ": no sample has a face; emotion_data faces finds them"});
  return all;
}

/// sees: another branch has something to look at
void refuse_or_warn(const std::vector<Forgotten>& all, bool sees) {
  for (const Forgotten& one : all) {
    if (!sees) throw DataError(one.text);
    log_warning("{}; until then the {} branch adds nothing", one.text, one.branch);
  }
}

}  // namespace

void check_training_stimuli(const RunConfig& config, const Manifest& manifest) {
  const Wanted wanted(config);
  const SeenStimuli seen = seen_in(manifest);
  if (wanted.faces && !seen.faces && is_known_without_faces(manifest))
    throw DataError(manifest.file().string() + ": no face was found in any picture; take expression out of model.branches");
  refuse_or_warn(forgotten_in(manifest, wanted, seen), /*sees=*/false);
}

void check_stimuli(const RunConfig& config, const Manifest& manifest) {
  Wanted wanted(config);
  const SeenStimuli seen = seen_in(manifest);
  const bool sees = stimuli_net_options(config, 1, 1).global || (wanted.regions && seen.regions) || (wanted.faces && seen.faces);
  if (wanted.faces && !seen.faces && is_known_without_faces(manifest)) wanted.faces = false;
  refuse_or_warn(forgotten_in(manifest, wanted, seen), sees);
}

void check_stimuli(const TrainedStimuliNet& model, const Manifest& manifest) {
  check_stimuli(model.config, manifest);
  warn_of_other_stimuli(model, manifest);
}

void check_stimuli(const TrainedStimuliNet& model, const std::filesystem::path& folder) {
  const Wanted wanted(model.config);
  const auto text = [&](const char* what) {
    return fmt::format(
        "{0}: {1} looks at {2}, which a folder of pictures does not name; make a data set of it (emotion_data import) and find "
        "them with emotion_data {2}",
        folder.string(), model.file.string(), what);
  };
  std::vector<Forgotten> all;
  if (wanted.regions) all.push_back({"semantic", text("regions")});
  if (wanted.faces) all.push_back({"expression", text("faces")});
  refuse_or_warn(all, model.network->options().global);
}

std::string read_region_source(const RunConfig& config, const Manifest& manifest) {
  if (!Wanted(config).regions) return {};
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    if (manifest[i].regions.empty()) continue;
    // Any of them: StimuliReader refuses another source in the split.
    return read_region_file(stimulus_path(manifest.dataset(), manifest[i].regions)).source;
  }
  return {};
}

void warn_of_other_regions(const std::string& trained_on, const std::string& now, const std::string& where) {
  if (trained_on == now || !is_known_source(trained_on) || !is_known_source(now)) return;
  log_warning("{}: other weights or settings found the regions ({}) than those of the training data ({})", where, now,
              trained_on);
}

std::string read_face_source(const RunConfig& config, const Manifest& manifest) {
  return Wanted(config).faces ? read_face_settings(manifest.dataset(), manifest.split()) : "";
}

void warn_of_other_faces(const std::string& trained_on, const std::string& now, const std::string& where) {
  if (trained_on == now || trained_on.empty() || now.empty()) return;
  log_warning("{}: the faces were found with other options ({}) than those of the training data ({})", where, now, trained_on);
}

void warn_of_other_stimuli(const TrainedStimuliNet& model, const Manifest& manifest) {
  const std::string where = manifest.file().string();
  warn_of_other_regions(model.regions, read_region_source(model.config, manifest), where);
  warn_of_other_faces(model.faces, read_face_source(model.config, manifest), where);
}

}  // namespace emotion
