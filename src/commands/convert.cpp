#include "emotion/commands/convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/plain_pickle.h"
#include "emotion/io/utf8.h"
#include "emotion/io/weights.h"
#include "emotion/log.h"
#include "emotion/model/image_classifier.h"
#include "emotion/model/load_state.h"
#include "emotion/model/name_map.h"
#include "emotion/model/onnx.h"
#include "emotion/print.h"
#include "emotion/stimuli/bottom_up.h"
#include "emotion/stimuli/detector_onnx.h"
#include "emotion/text/word_vectors.h"
#include "emotion/train/checkpoint.h"
#include "emotion/train/detector_model.h"
#include "emotion/train/device.h"
#include "emotion/train/stimuli_model.h"
#include "emotion/train/visual_model.h"

namespace emotion {
namespace fs = std::filesystem;

namespace {

bool ends_with(const std::string& name, std::initializer_list<const char*> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](const char* ending) { return name.ends_with(ending); });
}

/// word2vec's forms.
bool is_words(const std::string& output) { return ends_with(output, {".bin", ".txt"}); }

/// Refuses flags that this output, or --list, would not read.
void check_flags(const ConvertOptions& o) {
  if (!o.list && o.output.empty()) throw ConfigError("emotion_convert wants an output file, or --list");
  if (o.list && !o.output.empty())
    throw ConfigError(fmt::format("both {} and --list are given: --list writes nothing; leave one out", o.output));
  const bool onnx = o.output.ends_with(".onnx"), words = is_words(o.output);
  if (!o.list && !words && !onnx && !ends_with(o.output, {".safetensors", ".pth", ".pt"}))
    throw ConfigError(
        fmt::format("{}: the form is not known by its name; .safetensors, .pth, .pt, .onnx, .bin or .txt", o.output));
  for (const auto& [given, name] : {std::pair{!o.map.empty(), "--map"},
                                    {!o.like.empty(), "--like"},
                                    {!o.config.empty(), "--config"},
                                    {!o.classes.empty(), "--classes"},
                                    {!o.settings.empty(), "--set"}}) {
    if (words && given)
      throw ConfigError(fmt::format("{}: {} is for word vectors, which have no tensors; leave it out", name, o.output));
  }
  if (o.config.empty() != o.classes.empty()) throw ConfigError("--config and --classes go together");
  if (onnx && (!o.map.empty() || !o.like.empty() || !o.config.empty()))
    throw ConfigError(
        "an .onnx file is made of a checkpoint as it is: write a .safetensors file with --map, --like and --config first");
  if (!o.config.empty() && !o.output.ends_with(".safetensors"))
    throw ConfigError("--config and --classes belong to an output of .safetensors, which has a place for them");
  if (!o.settings.empty() && o.config.empty() && !onnx) throw ConfigError("--set belongs to --config, or to an output of .onnx");
}

/// A pickle {word: float32 array}, as EmotionNet's release keeps its word vectors.
WordVectors read_word_dictionary(const fs::path& file) {
  const MappedFile map(file);
  const PlainPickle pickle(map.text(), file.string());
  const PlainPickle::Value root = pickle.root();
  if (!root.is_dict() || root.size() == 0) throw DataError(file.string() + ": a dictionary of words and vectors is wanted");
  std::vector<std::string> words;
  std::vector<float> values;
  std::int64_t dimension = 0;
  for (std::size_t i = 0; i < root.size(); ++i) {
    const auto word = root.key(i).text();
    const auto type = root[i].array_type();
    const auto shape = root[i].array_shape();
    const auto bytes = root[i].array_bytes();
    const std::int64_t length = shape.size() == 1 ? shape[0] : 0;
    const std::uint64_t width = type == "f4" ? 4 : type == "f8" ? 8 : 0;
    if (word_form(word).empty() || length < 1 || width == 0 || (dimension != 0 && length != dimension) ||
        static_cast<std::uint64_t>(length) != bytes.size() / width || bytes.size() % width != 0) {
      throw DataError(fmt::format("{}: entry {} ('{}') is not a word and a vector of {} floats", file.string(), i,
                                  word.substr(0, 40), dimension == 0 ? "some" : std::to_string(dimension)));
    }
    dimension = length;
    words.emplace_back(word);
    for (std::int64_t k = 0; k < length; ++k) {
      double wide = 0;
      float narrow = 0;
      if (width == 8) std::memcpy(&wide, bytes.data() + 8 * k, 8);
      if (width == 4) std::memcpy(&narrow, bytes.data() + 4 * k, 4);
      values.push_back(width == 8 ? static_cast<float>(wide) : narrow);
      if (!std::isfinite(values.back()))
        throw DataError(fmt::format("{}: entry {} ('{}'): number {} is no finite float; take the entry out of the dictionary",
                                    file.string(), i, word.substr(0, 40), k + 1));
    }
  }
  return WordVectors::from_memory(std::move(words), std::move(values), static_cast<int>(dimension));
}

void convert_words(const ConvertOptions& options) {
  const bool dictionary = ends_with(options.input, {".pl", ".pkl", ".pickle"});
  const WordVectors words = dictionary ? read_word_dictionary(options.input) : WordVectors::open(options.input);
  if (options.output.ends_with(".bin")) {
    words.write_binary(options.output);
  } else {
    words.write_text(options.output);
  }
  log_info("{}: {} words of {} numbers", options.output, words.size(), words.dimension());
}

/// A detector may look for one class; others choose between two at least.
std::vector<std::string> read_classes(const fs::path& source, const std::string& task) {
  if (fs::is_directory(source)) return Dataset::open(source).classes;
  std::vector<std::string> classes;
  std::set<std::string> known;
  const std::string text = read_text(source, 64 << 20);
  for (std::size_t begin = 0, number = 1; begin < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    if (!is_utf8(line)) throw DataError(fmt::format("{}:{}: '{}' is not UTF-8", source.string(), number, shown_utf8(line)));
    if (!known.insert(line).second)
      throw DataError(fmt::format("{}:{}: class '{}' is named twice", source.string(), number, line));
    classes.push_back(std::move(line));
  }
  const bool detector = task == "detector";
  if (classes.size() < (detector ? 1U : 2U))
    throw DataError(fmt::format("{}: at least {}, one a line, {} wanted", source.string(), detector ? "one class" : "two classes",
                                detector ? "is" : "are"));
  return classes;
}

/// What makes a checkpoint of tensors. @throws DataError where there are not as many classes as the classifier has outputs
std::map<std::string, std::string> checkpoint_metadata(const StateDict& state, const fs::path& input,
                                                       const ConvertOptions& options) {
  const RunConfig config = load_run_config(options.config, options.settings);
  ModelInfo info;
  info.task = config.task;
  info.config = print_run_config(config);
  info.classes = read_classes(options.classes, config.task);
  const at::Tensor* weight = state.find("classifier.weight");
  if (weight != nullptr && weight->dim() > 0 && weight->size(0) != static_cast<std::int64_t>(info.classes.size())) {
    throw DataError(fmt::format("{}: {} classes, classifier.weight of {} is for {}", options.classes, info.classes.size(),
                                input.string(), weight->size(0)));
  }
  return info.to_metadata();
}

/// Refuses what does not fit, and leaves out what the target does not have.
StateDict fit(const StateDict& state, const std::string& like, const std::string& where) {
  const auto& names = backbone_names();
  const bool is_backbone = std::find(names.begin(), names.end(), like) != names.end();
  const StateDict wanted = is_backbone ? module_state(*make_backbone(like)) : read_weights(find_model_file(like));
  const StateDifference difference = compare_states(state, wanted);
  for (const auto& line : difference.missing) log_warning("{}: missing: {}", where, line);
  for (const auto& line : difference.misshapen) log_warning("{}: another shape: {}", where, line);
  for (const auto& line : difference.surplus) log_warning("{}: not part of {}, left out: {}", where, like, line);
  if (!difference.missing.empty() || !difference.misshapen.empty()) {
    throw WeightsError(
        fmt::format("{}: does not fit {}: {} tensors missing, {} of another shape, {} left over; they are listed above", where,
                    like, difference.missing.size(), difference.misshapen.size(), difference.surplus.size()));
  }
  StateDict fitting;
  fitting.metadata = state.metadata;
  for (const auto& [name, tensor] : state.entries) {
    if (wanted.find(name) != nullptr) fitting.add(name, tensor);
  }
  return fitting;
}

/// A checkpoint of ours, torchvision's or bottom-up attention's weights.
bool is_detector(const StateDict& state) { return state.find("rpn.head.bbox_pred.weight") != nullptr || is_bottom_up(state); }

void write_detector(const fs::path& input, const fs::path& output, const ConvertOptions& options) {
  const TrainedDetector detector = load_detector(input, options.settings, Device::open("cpu"));
  ModelInfo info;
  info.task = "detector";
  info.config = print_run_config(detector.config);
  info.classes = detector.classes;
  write_onnx_detector(output, *detector.network, info.to_metadata());
}

/// The network is made and loaded first: a state that does not fit is refused as everywhere.
void write_onnx(const StateDict& state, const fs::path& input, const ConvertOptions& options) {
  const ModelInfo info = ModelInfo::from_metadata(state.metadata, input.string());
  const auto metadata = info.to_metadata();
  const fs::path output = options.output;
  if (info.task == "detector" || is_detector(state)) return write_detector(input, output, options);
  if (info.task == "textcnn") {
    load_textcnn(input);
    return write_onnx_textcnn(output, state, metadata);
  }
  if (info.task == "stimuli") {
    const TrainedStimuliNet trained = load_stimuli_net(input, options.settings, Device::open("cpu"));
    const std::int64_t regions = std::max(trained.config.model.semantic.regions, 1);  // of N = 0 all counts are 0
    return write_onnx_stimuli_net(output, state, trained.network->options(), regions, metadata);
  }
  const VisualModel model = VisualModel::open(input, options.settings, Device::open("cpu"));
  if (model.classes().empty())
    throw WeightsError(input.string() + ": a plain backbone has no classes; give --config and --classes first");
  if (info.task == "emotionnet") {
    const RunConfig config = info.run_config(input.string(), options.settings);
    write_onnx_emotion_net(output, state, parse_head(config.model.head), metadata);
  } else {
    write_onnx_classifier(output, state, metadata);
  }
}

void print_list(const StateDict& state) {
  for (const auto& [name, tensor] : state.entries)
    print_out("{}\t{}\t[{}]\n", name, c10::toString(tensor.scalar_type()), fmt::join(tensor.sizes(), ", "));
}

}  // namespace
}  // namespace emotion

void emotion_convert(const emotion::ConvertOptions& options) {
  using namespace emotion;
  check_flags(options);
  if (is_words(options.output)) return convert_words(options);
  const fs::path input = find_model_file(options.input);
  StateDict state = read_weights(input);
  if (!options.map.empty()) {
    const NameMap map = fs::exists(options.map) ? NameMap::read(options.map) : NameMap::built_in(options.map);
    state = map(state, input.string());
  } else if (state.find("proj.weight") != nullptr && state.find("fc.weight") != nullptr) {
    log_info("{}: has the released EmotionNet's names; --map emotionnet makes them this project's", input.string());
  }
  if (!options.like.empty()) state = fit(state, options.like, input.string());
  if (!options.config.empty()) state.metadata = checkpoint_metadata(state, input, options);
  if (options.list) return print_list(state);
  if (options.output.ends_with(".onnx")) {
    write_onnx(state, input, options);
  } else if (options.output.ends_with(".safetensors")) {
    write_safetensors(options.output, state);
  } else {
    if (!state.metadata.empty())
      log_info("{}: .pth has no place for task, config and classes; they are left out", options.output);
    write_pth(options.output, state);
  }
  log_info("{}: {} tensors", options.output, state.entries.size());
}
