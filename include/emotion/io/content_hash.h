#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

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

}  // namespace emotion
