#include "emotion/eval/extract_faces.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "emotion/data/decode.h"
#include "emotion/data/manifest_update.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/progress.h"
#include "emotion/signals.h"
#include "emotion/stimuli/face_settings.h"
#include "emotion/threads.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw RunError(fmt::format("{}: cannot be made: {}", folder.string(), error.message()));
}

/// SPLIT.found.jsonl: a line of settings, then a line for each image that has been looked at, in the order they were done. Rank R
/// of several processes writes SPLIT.found.R.jsonl until all are done.
class Notes {
 public:
  Notes(const fs::path& folder, const std::string& split, std::string settings, bool anew, ProcessGroup& group)
      : folder_(folder), split_(split), settings_(std::move(settings)), file_(file_of(group.rank())) {
    group.on_root([&] {
      make_folder(folder);
      if (!anew) return;
      for (const fs::path& file : files()) fs::remove(file);
    });
    read_all();
    group.wait_for_all();  // nobody writes before everybody has read
    if (!fs::exists(file_)) write_file_atomically(file_, settings_ + "\n");
    out_.open(file_, std::ios::binary | std::ios::app);
    if (!out_) throw RunError(file_.string() + ": cannot be written");
  }

  /// The notes of all processes.
  void read_all() {
    for (const fs::path& file : files()) read(file);
  }

  /// One file of all of them; for rank 0, once the others are done.
  void unite() {
    const auto all = files();
    if (all.size() < 2) return;
    std::string text = settings_ + "\n";
    for (const fs::path& file : all) {
      const std::string part = read_file(file);
      text += part.substr(part.find('\n') + 1);
      if (!text.ends_with('\n')) text += '\n';  // a process was killed in the middle of a line
    }
    write_file_atomically(file_, text);
    for (const fs::path& file : all) {
      if (file != file_) fs::remove(file);
    }
  }

  /// The face noted under that key ("" = none); nothing where the image has not been looked at, or its face is gone, or empty, as
  /// a power cut may leave it.
  std::optional<std::string> find(const std::string& key, const fs::path& root) const {
    const auto found = known_.find(key);
    if (found == known_.end()) return std::nullopt;
    std::error_code gone;
    const bool whole = found->second.empty() || (fs::file_size(root / found->second, gone) > 0 && !gone);
    return whole ? std::optional(found->second) : std::nullopt;
  }

  void add(const std::string& key, const std::optional<Face>& face) {
    Json line{{"face", key}, {"found", face.has_value()}};
    if (face) {
      line["box"] = face->box;
      line["score"] = face->score;
    }
    const std::lock_guard lock(mutex_);
    out_ << line.dump() << '\n' << std::flush;
    if (!out_) throw RunError(file_.string() + ": cannot be written; is the disk full?");
  }

 private:
  fs::path file_of(int rank) const {
    return folder_ / (rank == 0 ? split_ + ".found.jsonl" : fmt::format("{}.found.{}.jsonl", split_, rank));
  }
  /// Those that there are, rank 0's first; an earlier run may have had more processes.
  std::vector<fs::path> files() const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(split_ + ".found.") && name.ends_with(".jsonl")) all.push_back(entry.path());
    }
    std::sort(all.begin(), all.end(), [&](const fs::path& a, const fs::path& b) {
      return std::pair(a != file_of(0), a) < std::pair(b != file_of(0), b);
    });
    return all;
  }
  void read(const fs::path& file) {
    const std::string text = read_file(file);
    std::size_t begin = text.find('\n');
    if (begin == std::string::npos) return;
    if (text.compare(0, begin, settings_) != 0) {
      throw ConfigError(fmt::format("{}: the faces so far were found with other options ({}); use those, or --anew to begin anew",
                                    file.string(), text.substr(0, begin)));
    }
    ++begin;
    for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      if (const auto note = parse_face_note(std::string_view(text).substr(begin, end - begin)))
        known_[note->face] = note->found ? note->face : "";
    }
    if (begin < text.size() && file == file_) std::ofstream(file_, std::ios::binary | std::ios::app) << '\n';
  }

  fs::path folder_;
  std::string split_, settings_;
  fs::path file_;  // this process's
  std::map<std::string, std::string> known_;
  std::ofstream out_;
  std::mutex mutex_;
};

void write_face(const fs::path& file, const Face& face, int size) {
  make_folder(file.parent_path());
  const cv::Mat grey(size, size, CV_8U, const_cast<std::uint8_t*>(face.pixels.data()));
  std::vector<std::uint8_t> png;
  cv::imencode(".png", grey, png);
  write_file_atomically(file, std::string_view(reinterpret_cast<const char*>(png.data()), png.size()), FileSync::kLater);
}

/// The images of a split that this process looks at, handed to the threads one by one.
struct Search {
  const Manifest& manifest;
  const FaceOptions& options;
  Notes& notes;
  std::vector<std::size_t> todo{};
  std::vector<std::optional<std::string>> faces{};  // of each sample, for update_manifest
  std::vector<std::string> broken{};                // of each sample: why
  std::atomic<std::size_t> next{0}, done{0};
  std::atomic<bool> failed{false}, stop{false};
  std::exception_ptr failure{};  // set by the thread that sets `failed`

  void look(FaceFinder& finder, std::size_t i) {
    const SampleView sample = manifest[i];
    const std::string path = face_path(sample);
    std::optional<Face> face;
    try {
      face = finder.largest(decode_image(manifest.image_path(i)), sample.box);
    } catch (const DataError& error) {
      broken[i] = fmt::format("{}: {}", manifest.place(i), error.what());
      return;
    }
    if (face) write_face(path_below(manifest.dataset().root, path), *face, options.size);
    notes.add(path, face);
    faces[i] = face ? path : "";
  }

  void run(FaceFinder finder) {
    for (std::size_t i = next++; i < todo.size() && !stop && !failed; i = next++) {
      try {
        look(finder, todo[i]);
      } catch (...) {
        if (!failed.exchange(true)) failure = std::current_exception();
      }
      ++done;
    }
  }
};

void run_threads(Search& search, const FaceFinder& finder, int workers, std::uint64_t known, const ProcessGroup& group) {
  const unsigned count = worker_count(workers);
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < count; ++t)
    threads.emplace_back([&search, own = finder.copy()]() mutable { search.run(std::move(own)); });
  Progress progress("faces " + search.manifest.split(), known + search.todo.size(), known);
  const ProcessGroup::Steps steps(group);
  try {
    for (std::size_t seen = 0; search.done < search.todo.size() && !search.stop && !search.failed;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      progress.update(known + search.done);
      search.stop = group.stop_asked();
      if (search.done == seen) continue;
      seen = search.done;
      steps.step();
    }
  } catch (const PeerLost&) {
    search.stop = true;  // the threads end with the picture they are at
    throw;
  }
  threads.clear();  // joined
  if (search.failure) std::rethrow_exception(search.failure);
}

FaceSummary summarize(const Search& search) {
  const Manifest& manifest = search.manifest;
  const auto& classes = manifest.dataset().classes;
  FaceSummary summary;
  summary.images = manifest.size();
  for (const auto& name : classes) summary.per_class.push_back({name, {0, 0}});
  summary.per_class.push_back({"no label", {0, 0}});
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    const auto labels = manifest[i].labels;
    auto& [images, with_face] = summary.per_class[labels.empty() ? classes.size() : labels[0]].second;
    const bool found = search.faces[i] && !search.faces[i]->empty();
    ++images;
    with_face += found;
    summary.with_face += found;
    summary.broken += !search.broken[i].empty();
  }
  if (summary.per_class.back().second.first == 0) summary.per_class.pop_back();
  return summary;
}

/// The face of each sample that the notes speak of.
void take_known(Search& search) {
  const Manifest& manifest = search.manifest;
  search.faces.resize(manifest.size());
  for (std::size_t i = 0; i < manifest.size(); ++i)
    search.faces[i] = search.notes.find(face_path(manifest[i]), manifest.dataset().root);
}

/// Rank 0 gets what every process could not read.
void gather_broken(Search& search, ProcessGroup& group) {
  Json own = Json::array();
  for (std::size_t i = 0; i < search.broken.size(); ++i) {
    if (!search.broken[i].empty()) own.push_back({i, search.broken[i]});
  }
  for (const std::string& text : group.gather_to_root(own.dump(-1, ' ', false, Json::error_handler_t::replace))) {
    for (const auto& [i, problem] : Json::parse(text).get<std::vector<std::pair<std::size_t, std::string>>>())
      search.broken[i] = problem;
  }
}

}  // namespace

FaceSummary extract_faces(const Manifest& manifest, const FaceFinder& finder, const FaceOptions& options, int workers, bool anew,
                          ProcessGroup& group) {
  const auto begin = std::chrono::steady_clock::now();
  Notes notes(manifest.dataset().root / "faces", manifest.split(), face_settings(options), anew, group);
  Search search{.manifest = manifest, .options = options, .notes = notes};
  search.broken.resize(manifest.size());
  take_known(search);
  std::uint64_t known = 0;
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    known += search.faces[i].has_value();
    if (!search.faces[i] && i % static_cast<std::size_t>(group.size()) == static_cast<std::size_t>(group.rank()))
      search.todo.push_back(i);
  }
  run_threads(search, finder, decoding_threads(workers, group), known, group);
  group.wait_for_all();  // an exchange would give up those that have more to do
  if (group.any(stop_requested()))
    throw Interrupted(fmt::format("faces: interrupted in {}; the same command goes on from there", manifest.file().string()));
  gather_broken(search, group);
  // Before the manifest names the faces: one of this host brings them all to the disk.
  if (group.local_rank() == 0) sync_disk(manifest.dataset().root);
  group.wait_for_all();  // their notes are written
  if (!group.is_root()) return {};
  if (group.size() > 1) {
    notes.read_all();
    take_known(search);
  }
  notes.unite();
  update_manifest(manifest, "face", search.faces);
  for (const auto& problem : search.broken) {
    if (!problem.empty()) log_warning("{}", problem);
  }
  FaceSummary summary = summarize(search);
  summary.known = known;
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return summary;
}

}  // namespace emotion
