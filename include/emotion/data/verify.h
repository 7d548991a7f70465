#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emotion/data/manifest.h"

namespace emotion {

/// `file:line: problem` for every line of a split that cannot be used.
std::vector<std::string> line_problems(const Dataset& dataset, std::string_view split);

/// What the region files of a split should say alike.
struct SeenRegions {
  std::optional<std::int64_t> width{};  ///< of its features; none in a file without a region
  std::optional<std::string> source{};  ///< what found them, where that is known
};
/// Reads the region file of a picture of that many pixels (0 x 0: it cannot be decoded); throws an Error that names the file.
using ReadRegions = std::function<SeenRegions(const std::filesystem::path&, int width, int height)>;

/// Every file of a split that is missing or cannot be read: `file:line: path: reason`, in manifest order. Images and faces are
/// decoded, region files read by `read_regions` (none: ignored); regions of another width or source than the first are a problem
/// too, and faces of another size. On `workers` threads (0 = one per core). @throws Interrupted; RunError and what else tells
/// nothing of the files, as memory that ends
std::vector<std::string> file_problems(const Manifest& manifest, int workers, const ReadRegions& read_regions = {});

/// Gets the lines of a split that can be read (of a copy in a scratch folder, where some cannot) and those samples among them,
/// ascending, that nothing is wrong with.
using UseSplit = std::function<void(const Manifest& manifest, const std::vector<std::size_t>& whole)>;

/// Everything that is wrong with a split: its lines, the files that the other lines name, its annotations, which must be of
/// pictures of the same size. A split that is missing or empty is a problem as well. `use` is called once, if there is any line
/// to use; annotations that cannot be read at all are the last problem. @throws Interrupted, what `use` throws but for DataError,
/// which is the last problem in their place
std::vector<std::string> split_problems(const Dataset& dataset, const std::string& split, int workers,
                                        const ReadRegions& read_regions, const UseSplit& use);

}  // namespace emotion
