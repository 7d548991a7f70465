#include "splits.h"

#include <map>
#include <sstream>

namespace emotion {
namespace {

/// The flags of a command with their values: `--data data/fi`, `--data=data/fi`.
std::map<std::string, std::string> flags_of(const std::string& command) {
  std::map<std::string, std::string> flags;
  std::istringstream stream(command);
  std::string last;
  for (std::string word; stream >> word;) {
    if (!word.starts_with("--")) {
      if (!last.empty()) flags[last] = word;
      last.clear();
      continue;
    }
    const std::size_t equals = word.find('=');
    last = word.substr(0, equals);
    flags[last] = equals == std::string::npos ? "" : word.substr(equals + 1);
  }
  return flags;
}

}  // namespace

std::vector<NamedSplit> splits_read(const std::string& command) {
  const auto flags = flags_of(command);
  const auto value = [&](const std::string& flag, const std::string& fallback) {
    const auto found = flags.find(flag);
    return found == flags.end() ? fallback : found->second;
  };
  const std::string data = value("--data", "");
  if (data.empty()) return {};  // what the network was trained with: its config says
  if (command.starts_with("emotion_eval ")) return {{data, value("--split", "test")}};
  if (!command.starts_with("emotion_probe ")) return {};
  std::vector<NamedSplit> splits{{data, value("--train-split", "train")}};
  if (!flags.contains("--folds")) splits.push_back({data, value("--test-split", "test")});
  if (flags.contains("--val-split")) splits.push_back({data, value("--val-split", "")});
  return splits;
}

}  // namespace emotion
