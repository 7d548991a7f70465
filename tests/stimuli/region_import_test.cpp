#include "emotion/stimuli/region_import.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/io/npz.h"

// Files of tests/reference/make_region_fixtures.py: three boxes i 2i 10+i 20+i with features 0, 1/8, 2/8, ..
namespace emotion {
namespace {

const std::string kFixtures = std::string(EMOTION_TEST_DATA) + "/fixtures/";

std::vector<ImportedRegions> table(const std::filesystem::path& file) {
  std::vector<ImportedRegions> rows;
  read_region_tsv(file, [&](ImportedRegions&& row) { rows.push_back(std::move(row)); });
  return rows;
}

void expect_regions(const RegionFile& regions) {
  EXPECT_TRUE(regions.features.equal(at::arange(15, at::kFloat).view({3, 5}) / 8));
  EXPECT_TRUE(regions.boxes.equal(at::tensor({0.F, 0.F, 10.F, 20.F, 1.F, 2.F, 11.F, 21.F, 2.F, 4.F, 12.F, 22.F}).view({3, 4})));
}

TEST(RegionTable, OfBottomUpAttention) {
  const auto rows = table(kFixtures + "caffe.tsv");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].image_id, "7");
  EXPECT_EQ(rows[0].width, 40);
  EXPECT_EQ(rows[0].height, 30);
  expect_regions(rows[0].regions);
  EXPECT_EQ(rows[1].regions.boxes.sizes(), at::IntArrayRef({0, 4}));
  EXPECT_EQ(rows[2].image_id, "999");
}

TEST(RegionTable, OfLxmertIsSortedByScore) {
  const auto rows = table(kFixtures + "lxmert.tsv");
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].width, 40);
  const RegionFile& regions = rows[0].regions;
  EXPECT_TRUE(regions.scores.equal(at::tensor({0.9F, 0.5F, 0.2F})));
  EXPECT_TRUE(regions.labels.equal(at::tensor({0, 2, 1}, at::kLong)));
  EXPECT_TRUE(regions.attributes.equal(at::tensor({1, 1, 0}, at::kLong)));
  EXPECT_EQ(regions.boxes[0][0].item<float>(), 1);
  EXPECT_EQ(regions.features[2][1].item<float>(), 0.125F);
}

TEST(RegionTable, ErrorsNameTheLine) {
  const ScratchFolder folder;
  const auto file = folder.path() / "a.tsv";
  const auto error = [&](const std::string& text) {
    write_text(file, text);
    return error_of<DataError>([&] { table(file); });
  };
  const std::string place = file.string() + ":1: ";
  EXPECT_EQ(error(""), file.string() + ": the file is empty; a table of regions is wanted");
  EXPECT_EQ(error("7\t1\t2\n"),
            place + "3 fields separated by tabs; 6 (image_id w h num_boxes boxes features) or 10 (LXMERT) are wanted");
  EXPECT_EQ(error("7\t40\t30\t-1\t\t\n"), place + "num_boxes is '-1'; 0 to 10000 is wanted");
  EXPECT_EQ(error("7\t40\t30\t1\tAAAAAAAAAAAAAAAAAAAAAA==\t****\n"), place + "features is not base64");
  EXPECT_EQ(error("7\t40\t30\t1\tAAAA\tAAAA\n"), place + "boxes holds 3 bytes, which does not fit 1 boxes");
  EXPECT_EQ(error("7\t40\t30\t1\tAAAAAAAAAAAAAAAAAAAAAA==\tAADAfw==\n"), place + "features holds NaN or infinite values");
}

TEST(RegionNpz, OfMilvlgAndTransposed) {
  const ImportedRegions row = read_region_npz(kFixtures + "7.jpg.npz");
  EXPECT_EQ(row.image_id, "7");
  EXPECT_EQ(row.width, 40);
  expect_regions(row.regions);
  EXPECT_GT(row.regions.scores[0].item<float>(), row.regions.scores[2].item<float>());
  expect_regions(read_region_npz(kFixtures + "transposed.npz").regions);
  EXPECT_EQ(error_of<WeightsError>([] { read_region_npz(kFixtures + "kinds.npz"); }),
            kFixtures + "kinds.npz: there is no array 'bbox'; x and bbox are wanted");
}

TEST(Npz, TypesOrdersAndPickles) {
  const NpzFile npz = NpzFile::read(kFixtures + "kinds.npz");
  EXPECT_TRUE(npz.arrays.at("order").equal(at::arange(6, at::kInt).view({2, 3})));
  EXPECT_TRUE(npz.arrays.at("half").to(at::kFloat).equal(at::tensor({1.5F, -2.F})));
  EXPECT_EQ(npz.arrays.at("truth").scalar_type(), at::kBool);
  EXPECT_TRUE(npz.arrays.at("truth").to(at::kInt).equal(at::tensor({1, 0}, at::kInt)));
  EXPECT_EQ(npz.arrays.at("scalar").item<std::int64_t>(), 5);
  EXPECT_EQ(npz.arrays.at("empty").sizes(), at::IntArrayRef({0, 4}));
  EXPECT_EQ(npz.left_out, (std::vector<std::string>{"text", "info"}));
}

// Any byte of a file may be wrong: an error, never a crash, never other numbers without one.
TEST(Npz, DamageIsFound) {
  const ScratchFolder folder;
  const auto file = folder.path() / "a.npz";
  const std::string whole = read_file(kFixtures + "7.jpg.npz");
  const NpzFile good = NpzFile::read(kFixtures + "7.jpg.npz");
  for (std::size_t length = 0; length < whole.size(); length += 7) {
    write_text(file, whole.substr(0, length));
    EXPECT_NE(error_of<Error>([&] { NpzFile::read(file); }), "no error") << length;
  }
  int read = 0;  // the time of a member and the like say nothing of its numbers
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    write_text(file, damaged);
    try {
      for (const auto& [name, array] : NpzFile::read(file).arrays) {
        const auto same = good.arrays.find(name);
        if (same == good.arrays.end()) continue;  // a damaged name
        ASSERT_EQ(array.scalar_type(), same->second.scalar_type()) << name << ", byte " << at;
        EXPECT_TRUE(array.equal(same->second)) << name << ", byte " << at;
      }
      ++read;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(read, 0);
}

TEST(Base64, ByHand) {
  std::string bytes;
  EXPECT_TRUE(decode_base64("TWFu", bytes));
  EXPECT_EQ(bytes, "Man");
  EXPECT_TRUE(decode_base64("TW\nE=", bytes));
  EXPECT_EQ(bytes, "Ma");
  EXPECT_TRUE(decode_base64("TQ==", bytes));
  EXPECT_EQ(bytes, "M");
  EXPECT_TRUE(decode_base64("TQ", bytes));  // some writers leave the padding out
  EXPECT_EQ(bytes, "M");
  for (const char* broken : {"T", "TQ=", "T===", "TQ==TQ==", "TW!u"}) EXPECT_FALSE(decode_base64(broken, bytes)) << broken;
}

TEST(VocabularyNames, TakeTheFirstSynonym) {
  const ScratchFolder folder;
  write_text(folder.path() / "objects.txt", "Stop Sign,stopsign\r\n yolk \nbuoy");
  EXPECT_EQ(read_vocabulary_names(folder.path() / "objects.txt"), (std::vector<std::string>{"stop sign", "yolk", "buoy"}));
}

}  // namespace
}  // namespace emotion
