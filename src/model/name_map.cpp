#include "emotion/model/name_map.h"

#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/lines.h"
#include "emotion/io/utf8.h"
#include "emotion/nearest.h"

namespace emotion {
namespace {

constexpr std::uint64_t kMostBytes = 1 << 20;
constexpr std::size_t kMostLetters = 1000;

std::string described(const std::string& name, const at::Tensor& tensor) {
  return fmt::format("{} [{}]", name, fmt::join(tensor.sizes(), ", "));
}

/// `; nearest: NAME [shape]` among the tensors of `others` that `taken` does not hold: of the same shape where there are any.
std::string candidate(const std::string& name, const at::Tensor& tensor, const StateDict& others,
                      const std::unordered_set<std::string>& taken) {
  std::vector<std::string> same_shape, all;
  for (const auto& [other, value] : others.entries) {
    if (taken.contains(other)) continue;
    all.push_back(other);
    if (value.sizes() == tensor.sizes()) same_shape.push_back(other);
  }
  std::string best = nearest(name, same_shape);
  if (best.empty() && same_shape.size() == 1) best = same_shape[0];
  if (best.empty()) best = nearest(name, all);
  return best.empty() ? std::string() : "; nearest: " + described(best, *others.find(best));
}

}  // namespace

void NameMap::add(const std::string& pattern, std::string replacement) {
  rules_.emplace_back(std::regex(pattern), std::move(replacement));
}

NameMap NameMap::read(const std::filesystem::path& file) {
  const std::string text = read_text(file, kMostBytes);
  NameMap map;
  for (const auto [line, number] : Lines(text)) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos || tab == 0 || tab + 1 == line.size())
      throw DataError(fmt::format("{}:{}: pattern<TAB>replacement is wanted", file.string(), number));
    try {
      map.add(std::string(line.substr(0, tab)), std::string(line.substr(tab + 1)));
    } catch (const std::regex_error&) {
      throw DataError(fmt::format("{}:{}: '{}' is no regular expression", file.string(), number, line.substr(0, tab)));
    }
  }
  if (map.rules_.empty()) throw DataError(file.string() + ": there is no rule in it");
  return map;
}

NameMap NameMap::built_in(std::string_view name) {
  NameMap map;
  if (name == "emotionnet") {
    map.add(R"((backbone|classifier|projection|extra_classifier)\..*)", "$&");  // has its name already
    map.add(R"(fc\.(.*))", "classifier.$1");
    map.add(R"(proj\.(.*))", "projection.$1");
    map.add(R"(fc_aux\.(.*))", "extra_classifier.$1");
    map.add(R"((.*))", "backbone.$1");
  } else if (name == "torchvision") {
    map.add(R"(backbone\.(.*))", "$1");
    map.add(R"(classifier\.(.*))", "fc.$1");
    map.add(R"(projection\.(.*))", "proj.$1");
    map.add(R"(extra_classifier\.(.*))", "fc_aux.$1");
  } else {
    throw ConfigError(fmt::format("--map is '{}', which is neither a file nor emotionnet nor torchvision", name));
  }
  return map;
}

std::optional<std::string> NameMap::operator()(const std::string& name) const {
  for (const auto& [pattern, replacement] : rules_) {
    std::smatch match;
    if (!std::regex_match(name, match, pattern)) continue;
    if (replacement == "-") return std::nullopt;
    return match.format(replacement);
  }
  return name;
}

StateDict NameMap::operator()(const StateDict& state, const std::string& where) const {
  StateDict renamed;
  renamed.metadata = state.metadata;
  std::unordered_map<std::string, std::string> origin;
  for (const auto& [name, tensor] : state.entries) {
    // The library's regular expressions recurse over a text's letters.
    if (name.size() > kMostLetters)
      throw WeightsError(
          fmt::format("{}: a tensor's name of {} letters; at most {} can be mapped", where, name.size(), kMostLetters));
    const auto target = (*this)(name);
    if (!target) continue;
    const auto [place, added] = origin.emplace(*target, name);
    if (!added)
      throw WeightsError(fmt::format("{}: {} and {} would both become {}; mend the map", where, place->second, name, *target));
    renamed.add(*target, tensor);
  }
  return renamed;
}

StateDifference compare_states(const StateDict& given, const StateDict& wanted) {
  StateDifference difference;
  std::unordered_set<std::string> common;
  for (const auto& entry : wanted.entries) {
    if (given.find(entry.name) != nullptr) common.insert(entry.name);
  }
  for (const auto& [name, tensor] : wanted.entries) {
    const at::Tensor* found = given.find(name);
    if (found == nullptr) {
      if (!name.ends_with("num_batches_tracked"))  // absent from files of 2017 and of no use to inference
        difference.missing.push_back(described(name, tensor) + candidate(name, tensor, given, common));
    } else if (found->sizes() != tensor.sizes()) {
      difference.misshapen.push_back(fmt::format("{}, [{}] is wanted", described(name, *found), fmt::join(tensor.sizes(), ", ")));
    }
  }
  for (const auto& [name, tensor] : given.entries) {
    if (!common.contains(name)) difference.surplus.push_back(described(name, tensor) + candidate(name, tensor, wanted, common));
  }
  return difference;
}

}  // namespace emotion
