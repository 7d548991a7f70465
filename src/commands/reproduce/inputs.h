#pragma once

#include <compare>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "emotion/data/split_content.h"
#include "emotion/io/content_hash.h"

namespace emotion {

/// Something on the disk that a job reads and that no job makes: a data set, a network's folder, a file.
struct Input {
  std::string path;
  std::string split{};                      ///< of a data set; empty: all of them
  SplitParts parts = SplitParts::kStimuli;  ///< of its splits
  auto operator<=>(const Input&) const = default;
};
using InputSet = std::set<Input>;

/// Tells by contents whether what jobs read has changed. Each input is looked at once: a long run compares with what was there
/// when it began.
class KnownInputs {
 public:
  Contents contents(const InputSet& inputs);
  /// `data/net.pth, split train of data/fi`: what is otherwise than `note` says; empty where nothing is, or where no note was
  /// kept.
  std::string changed(const std::filesystem::path& note, const InputSet& inputs);

 private:
  std::map<Input, Contents> known_;
};

}  // namespace emotion
