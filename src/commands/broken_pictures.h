#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace emotion {

struct RunConfig;

/// The pictures of a command that cannot be read: with data.on_error skip each is left out with a warning, else the first ends
/// it.
class BrokenPictures {
 public:
  explicit BrokenPictures(const RunConfig& config);

  bool are_skipped() const { return skip_; }
  /// Runs `load`, which reads one picture; false if that is broken and left out.
  /// @throws DataError of `load`, with how to leave the picture out, unless such are skipped
  bool read(const std::function<void()>& load);
  /// Warns of how many were left out. @throws DataError if that is every picture there was
  void close() const;

 private:
  bool skip_;
  std::size_t asked_ = 0, broken_ = 0;
};

/// For commands each of whose rows stands for a sample. @throws ConfigError if a --set says data.on_error
void refuse_skipping(const std::vector<std::string>& settings);

}  // namespace emotion
