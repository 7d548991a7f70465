#include "emotion/io/content_hash.h"

#include <cstdint>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "emotion/io/file.h"

namespace emotion {

struct ContentHash::State {
  XXH3_state_t* state = XXH3_createState();
  State() { XXH3_128bits_reset(state); }
  ~State() { XXH3_freeState(state); }
};

ContentHash::ContentHash() : state_(std::make_unique<State>()) {}
ContentHash::~ContentHash() = default;
ContentHash::ContentHash(ContentHash&&) noexcept = default;
ContentHash& ContentHash::operator=(ContentHash&&) noexcept = default;

void ContentHash::add(std::span<const std::byte> bytes) { XXH3_128bits_update(state_->state, bytes.data(), bytes.size()); }

void ContentHash::add(std::string_view text) {
  const std::uint64_t size = text.size();
  add(std::as_bytes(std::span(&size, 1)));
  add(std::as_bytes(std::span(text.data(), text.size())));
}

std::string ContentHash::hex() const {
  const XXH128_hash_t digest = XXH3_128bits_digest(state_->state);
  return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
}

std::string file_hash(const std::filesystem::path& file) {
  const MappedFile map(file);
  ContentHash hash;
  hash.add(map.bytes());
  return hash.hex();
}

void write_contents(const std::filesystem::path& file, const Contents& contents) {
  const nlohmann::json json(contents);
  write_file_atomically(file, json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

std::vector<std::string> changed_contents(const std::filesystem::path& file, const Contents& now) {
  if (!std::filesystem::exists(file)) return {};
  const auto before = nlohmann::json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!before.is_object()) return {file.string()};
  std::vector<std::string> changed;
  for (const auto& [name, digest] : before.items()) {
    const auto found = now.find(name);
    if (found == now.end() || digest != found->second) changed.push_back(name);
  }
  return changed;
}

}  // namespace emotion
