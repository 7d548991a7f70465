#include "emotion/eval/zero_shot.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"

namespace emotion {
namespace {

const std::vector<std::string> kClasses{"joy", "fear"};

TEST(ZeroShotTest, MeanVectorsAndCosinesByHand) {
  const WordVectors vectors = WordVectors::from_memory({"joy", "smile", "fear"}, {1, 0, 0, 1, -1, 0}, 2);
  const at::Tensor points = class_vectors({{"joy", "smile", "unheard"}, {"fear"}}, kClasses, vectors);
  EXPECT_TRUE(at::equal(points, at::tensor({0.5F, 0.5F, -1.0F, 0.0F}).view({2, 2})));
  const at::Tensor scores = cosine_scores(at::tensor({2.0F, 0.0F, 0.0F, 0.0F}).view({2, 2}), points);
  EXPECT_NEAR(scores[0][0].item<double>(), 1 / std::sqrt(2.0), 1e-6);
  EXPECT_NEAR(scores[0][1].item<double>(), -1, 1e-6);
  EXPECT_EQ(scores[1][0].item<double>(), 0) << "a point at the origin is like nothing";
  EXPECT_EQ(error_of<DataError>([&] {
              class_vectors({{"joy"}, {"dread", "panic"}}, kClasses, vectors);
            }),
            "zero-shot: there is no vector for any word of class fear; --synonyms FILE gives them other words");
}

// Names of classes are often written large; a TextCNN's words, like word vectors', are found in small letters then.
TEST(ZeroShotTest, ATextCNNKnowsCapitalisedNames) {
  TrainedTextCNN textcnn;
  textcnn.vocabulary = Vocabulary({"joy", "fear"});
  textcnn.network = TextCNN(TextCNNOptions{.vocabulary = 2, .classes = 3, .dimension = 16});
  textcnn.network->eval();
  textcnn.max_keywords = 1;
  const at::Tensor small = class_emotions({{"joy"}, {"fear"}}, kClasses, textcnn);
  EXPECT_EQ(small.sizes(), at::IntArrayRef({2, 3}));
  EXPECT_FALSE(at::allclose(small[0], small[1]));
  EXPECT_TRUE(at::equal(class_emotions({{"Joy"}, {"FEAR"}}, kClasses, textcnn), small));
}

TEST(ZeroShotTest, WordsOfAFile) {
  const ScratchFolder folder;
  const auto file = folder.path() / "words.txt";
  write_text(file, "# comment\nfear\t dread , panic\n");
  EXPECT_EQ(read_class_words(file, kClasses), (ClassWords{{"joy"}, {"dread", "panic"}}));
  write_text(file,
             "\xef\xbb\xbf"
             "fear\tdread\n");
  EXPECT_EQ(read_class_words(file, kClasses), (ClassWords{{"joy"}, {"dread"}}));
  EXPECT_EQ(read_class_words("", kClasses), (ClassWords{{"joy"}, {"fear"}}));
  const auto error = [&](const std::string& text) {
    write_text(file, text);
    return error_of<DataError>([&] { read_class_words(file, kClasses); });
  };
  EXPECT_EQ(error("fear dread\n"), file.string() + ":1: class<TAB>word, word is wanted");
  EXPECT_EQ(error("\nfaer\tdread\n"), file.string() + ":2: there is no class 'faer'; did you mean fear?");
  EXPECT_EQ(error("joy\ta\njoy\tb\n"), file.string() + ":2: class 'joy' stands twice");
  EXPECT_EQ(error("joy\t ,\n"), file.string() + ":1: class 'joy' has no word");
}

}  // namespace
}  // namespace emotion
