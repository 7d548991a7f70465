#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace emotion {

/// A 128-bit digest of bytes (XXH3): tells contents apart, protects from accidents and not from malice.
class ContentHash {
 public:
  ContentHash();
  ~ContentHash();
  ContentHash(ContentHash&&) noexcept;
  ContentHash& operator=(ContentHash&&) noexcept;
  void add(std::span<const std::byte> bytes);
  void add(std::string_view text);  ///< and its length: "ab", "c" differs from "a", "bc"
  std::string hex() const;          ///< 32 digits

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Digest of a file's content. @throws DataError
std::string file_hash(const std::filesystem::path& file);

/// What a result was made of: the digest of each input, by what messages call it. Kept as JSON beside the result.
using Contents = std::map<std::string, std::string>;
/// @throws RunError
void write_contents(const std::filesystem::path& file, const Contents& contents);
/// The inputs that `file` has another digest of than `now`, or that are no longer among them. What is new was not made use of; of
/// a result without such a file nothing is known. A file that cannot be read is named itself.
std::vector<std::string> changed_contents(const std::filesystem::path& file, const Contents& now);

}  // namespace emotion
