#pragma once

#include <fmt/format.h>

#include "emotion/data/import_plain.h"
#include "import_support.h"

namespace emotion {

/// Imports folders and tables of one's own; the pictures are below photos().
class PlainImportFixture : public ImportFixture {
 protected:
  std::filesystem::path photos() const { return folder_.path() / "photos"; }
  void write_pictures(const std::string& folder, int count) const {
    for (int i = 0; i < count; ++i) write_text(photos() / folder / fmt::format("{}.jpg", i), "x");
  }
  Dataset import_photos(FolderImport options = {}) {
    options.root = photos();
    options.out = out_;
    import_folder(options);
    return Dataset::open(out_);
  }
  Dataset import_table(const std::string& table, CsvImport options = {}) {
    options.file = folder_.path() / "table.csv";
    options.root = photos();
    options.out = out_;
    write_text(options.file, table);
    import_csv(options);
    return Dataset::open(out_);
  }
  /// The errors of the two, without the folder before them; nothing is written.
  std::string folder_error(const FolderImport& options = {}) {
    return nothing_written(photos().string(), error_of<Error>([&] { import_photos(options); }));
  }
  std::string table_error(const std::string& table, const CsvImport& options = {}) {
    return nothing_written(folder_.path().string() + "/", error_of<Error>([&] { import_table(table, options); }));
  }
  /// So that another import can be written there.
  void forget() const { std::filesystem::remove_all(out_); }

 private:
  std::string nothing_written(const std::string& folder, const std::string& text) const {
    EXPECT_FALSE(std::filesystem::exists(out_)) << text;
    return text.starts_with(folder) ? text.substr(folder.size()) : text;
  }
};

}  // namespace emotion
