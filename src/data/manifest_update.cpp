#include "emotion/data/manifest_update.h"

#include <ostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/io/file_lock.h"

namespace emotion {
namespace {

using Json = nlohmann::ordered_json;

std::string updated_line(std::string_view text, std::string_view image, std::string_view field, const std::string& value,
                         const std::string& place) {
  Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object() || line.value("image", "") != image)
    throw DataError(place + ": the file has changed since it was read; run the command again");
  const std::string key(field);
  if (value.empty()) {
    line.erase(key);
  } else {
    line[key] = value;
  }
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void update_manifest(const Manifest& manifest, std::string_view field, const std::vector<std::optional<std::string>>& values) {
  if (values.size() != manifest.size())
    throw DataError(fmt::format("{}: {} values for {} samples", manifest.file().string(), values.size(), manifest.size()));
  // Two commands that end together each write one field: the second reads what the first has written.
  const FileLock lock(manifest.file().string() + ".lock");
  const MappedFile file(manifest.file());
  const std::string_view text = file.text();
  write_file_atomically(manifest.file(), [&](std::ostream& out) {
    std::size_t begin = 0, next = 0;
    for (std::uint64_t number = 1; begin < text.size(); ++number) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view line = text.substr(begin, end - begin);
      begin = end + 1;
      const bool is_sample = next < manifest.size() && manifest.line(next) == number;
      if (is_sample && values[next]) {
        out << updated_line(line, manifest[next].image, field, *values[next], manifest.place(next)) << '\n';
      } else {
        out << line << '\n';
      }
      next += is_sample;
    }
    if (next != manifest.size())
      throw DataError(manifest.file().string() + ": the file has changed since it was read; run the command again");
  });
}

}  // namespace emotion
