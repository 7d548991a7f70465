#include "emotion/config/run_config.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/scratch.h"
#include "emotion/error.h"
#include "emotion/log.h"
#include "emotion/random.h"

namespace emotion {
namespace {

using ::testing::HasSubstr;

const std::string kData = "data: {train: {dataset: d, split: train}}\n";

class RunConfigTest : public ::testing::Test {
 protected:
  std::filesystem::path file() const { return folder_.path() / "paper.yaml"; }
  RunConfig load(const std::string& yaml, const std::vector<std::string>& settings = {}) const {
    write_text(file(), yaml);
    return load_run_config(file(), settings);
  }
  /// The error without the folder.
  std::string error(const std::string& yaml, const std::vector<std::string>& settings = {}) const {
    return error_without<ConfigError>(folder_.path(), [&] { load(yaml, settings); });
  }
  ScratchFolder folder_;
};

TEST_F(RunConfigTest, DefaultsAndValues) {
  const RunConfig config =
      load("task: classifier\n" + kData +
               "optimizer: {lr: 1e-2}\nschedule: {name: multistep, milestones: [10, 15]}\ntrain:\n  amp: off\n  batch: 32\n",
           {"train.epochs=5", "optimizer.name=adam", "optimizer.betas=[0.8, 0.9]"});
  EXPECT_EQ(config.optimizer.lr, 1e-2);
  EXPECT_EQ(config.schedule.milestones, (std::vector<int>{10, 15}));
  EXPECT_EQ(config.train.amp, "off");
  EXPECT_EQ(config.train.epochs, 5);
  EXPECT_EQ(config.optimizer.betas[0], 0.8);
  EXPECT_EQ(config.data.size, 224);
}

TEST_F(RunConfigTest, ErrorsPointAtLineAndColumn) {
  EXPECT_EQ(error("task: classifier\n" + kData + "optimiser:\n  lr: 1\n"),
            "paper.yaml:3:1: unknown key optimiser; did you mean optimizer?");
  EXPECT_EQ(error("task: classifier\n" + kData + "train:\n  bacth: 3\n"),
            "paper.yaml:4:3: unknown key train.bacth; did you mean train.batch?");
  EXPECT_EQ(error("task: classifier\n" + kData + "train:\n  batch: many\n"),
            "paper.yaml:4:10: train.batch is 'many'; an integer >= 1 is wanted");
  EXPECT_EQ(error("task: classifier\n" + kData + "train: {batch: -4}\n"),
            "paper.yaml:3:16: train.batch is '-4'; an integer >= 1 is wanted");
  EXPECT_EQ(error("task: classifier\n" + kData + "train: {batch: 1.5}\n"),
            "paper.yaml:3:16: train.batch is '1.5'; an integer >= 1 is wanted");
  EXPECT_EQ(error("task: classifier\n" + kData + "optimizer: {lr: .nan}\n"),
            "paper.yaml:3:17: optimizer.lr is '.nan'; a number > 0 is wanted");
  EXPECT_EQ(error("task: classifier\n" + kData + "optimizer: {momentum: 1}\n"),
            "paper.yaml:3:23: optimizer.momentum is '1'; a number in [0, 1) is wanted");
  EXPECT_EQ(
      error("task: clasifier\n" + kData),
      "paper.yaml:1:7: task is 'clasifier'; one of textcnn, emotionnet, classifier, stimuli, expression, detector is wanted; "
      "did you mean classifier?");
  EXPECT_EQ(error("task: classifier\ndata: {train: d}\n"),
            "paper.yaml:2:15: data.train is 'd'; {dataset: DIR, split: NAME} is wanted");
  EXPECT_EQ(error("task: classifier\n" + kData + "train: 3\n"),
            "paper.yaml:3:8: train is a section: a mapping of keys is wanted");
  EXPECT_EQ(error("task: classifier\n"),
            "paper.yaml: data.train is missing; data: {train: {dataset: DIR, split: train}} is wanted");
  EXPECT_EQ(error("task: classifier\n" + kData + "seed: 1\nseed: 2\n").substr(0, 48),
            "paper.yaml:4:1: key seed stands twice; the first");
  EXPECT_THAT(error("task: [classifier\n"), HasSubstr("paper.yaml:2:1: not valid YAML: "));
  EXPECT_EQ(error("task: !!python/object:os.system x\n").substr(0, 27), "paper.yaml:1:7: the tag tag");
  EXPECT_EQ(error("task: classifier\n" + kData, {"train.batch"}),
            "--set train.batch: key=value is wanted, for instance --set train.epochs=5");
  EXPECT_EQ(error("task: classifier\n" + kData, {"train.bacth=1"}),
            "--set train.bacth=1: unknown key train.bacth; did you mean train.batch?");
  EXPECT_EQ(error("task: classifier\n" + kData + "device: gpu\n"),
            "paper.yaml:3:9: device is 'gpu'; auto, cpu, cuda or cuda:N is wanted");
}

// Whatever makes keys not go together is where they stand: a setting rather than the file that it changes.
TEST_F(RunConfigTest, KeysThatDoNotGoTogetherAreLookedForWhereTheyStand) {
  const std::string classifier = "task: classifier\n" + kData;
  EXPECT_EQ(error(classifier, {"device=gpu"}), "--set device=gpu: device is 'gpu'; auto, cpu, cuda or cuda:N is wanted");
  const std::string outside = ": data.resize 200 is below data.size 224: the crop would leave the image";
  EXPECT_EQ(error("task: classifier\ndata: {train: {dataset: d, split: train}, augment: center_crop, resize: 200}\n"),
            "paper.yaml:2:73" + outside);
  EXPECT_EQ(error("task: classifier\ndata: {train: {dataset: d, split: train}, resize: 200}\n", {"data.augment=center_crop"}),
            "--set data.augment=center_crop" + outside);
  EXPECT_EQ(error(classifier, {"data.size=384"}),
            "--set data.size=384: data.resize 256 is below data.size 384: validation would see pictures in a black frame; set "
            "data.resize to at least data.size");
  EXPECT_NO_THROW(load(classifier, {"data.size=384", "data.resize=0"}));
  EXPECT_EQ(error(classifier + "schedule: {name: multistep}\n"),
            "paper.yaml:3:18: schedule.milestones is missing; multistep wants a list of epochs");
}

// What a network was trained on is not asked again; what is set over it is.
TEST_F(RunConfigTest, PicturesThatAreSetMustGoWithThoseThatAreStored) {
  const auto refused = [](const std::string& data, const std::vector<std::string>& settings) {
    return error_of<ConfigError>([&] { parse_run_config("task: classifier\ndata: " + data, "of an older run", settings); });
  };
  const std::string frame = ": validation would see pictures in a black frame; set data.resize to at least data.size";
  EXPECT_EQ(refused("{resize: 256, size: 224}", {"data.size=320"}),
            "--set data.size=320: data.resize 256 is below data.size 320" + frame);
  EXPECT_EQ(refused("{resize: 256, size: 224}", {"data={resize: 200}"}),
            "--set data={resize: 200}: data.resize 200 is below data.size 224" + frame);
  EXPECT_EQ(refused("{scale: [0.5, 0.8]}", {"data.scale=[0.9, 0.8]"}),
            "--set data.scale=[0.9, 0.8]: data.scale: the first number must not be above the second");
  EXPECT_EQ(refused("{resize: 384, size: 224}", {"data.size=320"}), "no error");
  EXPECT_EQ(refused("{resize: 256, size: 224}", {"data.size=320", "data.resize=320"}), "no error");
  EXPECT_EQ(refused("{resize: 200, size: 224}", {"data.workers=1"}), "no error");
  EXPECT_EQ(refused("{resize: 256, size: 224}", {"task=textcnn", "data.size=320"}), "no error") << "which sees none";
}

TEST_F(RunConfigTest, SettingsAloneAreReadOneByOne) {
  const RunConfig config = parse_settings({"data.size=320", "data.workers=3", "device=cpu"});
  EXPECT_EQ(config.data.size, 320);
  EXPECT_EQ(config.data.workers, 3);
  EXPECT_EQ(config.device, "cpu");
  EXPECT_EQ(parse_settings({}), RunConfig{});
  EXPECT_EQ(error_of<ConfigError>([] { parse_settings({"data.worker=3"}); }),
            "--set data.worker=3: unknown key data.worker; did you mean data.workers?");
}

TEST_F(RunConfigTest, ASettingHasAnEffectOnTheTasksOfItsKeys) {
  EXPECT_TRUE(has_effect("model.backbone=resnet18", "emotionnet"));
  EXPECT_FALSE(has_effect("model.backbone=resnet18", "textcnn"));
  EXPECT_FALSE(has_effect("model={dropout: 0.1, backbone: resnet18}", "textcnn")) << "one key of two";
  EXPECT_TRUE(has_effect("data.train.split=part", "textcnn"));
  EXPECT_EQ(error_of<ConfigError>([] { has_effect("model.backbon=resnet18", "textcnn"); }),
            "--set model.backbon=resnet18: unknown key model.backbon; did you mean model.backbone?");
}

TEST_F(RunConfigTest, ANearValueIsNamed) {
  const std::string backbones =
      "model.backbone is 'resnet-18'; one of resnet18, resnet34, resnet50, resnet101, vgg16, alexnet is wanted; did you mean "
      "resnet18?";
  EXPECT_EQ(error("task: classifier\n" + kData, {"model.backbone=resnet-18"}), "--set model.backbone=resnet-18: " + backbones);
  EXPECT_EQ(error("task: stimuli\n" + kData + "model: {branches: [globl]}\n"),
            "paper.yaml:3:20: model.branches is 'globl'; a list of global, semantic, expression, each once is wanted; did you "
            "mean global?");
}

TEST_F(RunConfigTest, ATabThatIndentsIsNamed) {
  const std::string advice = "; the line is indented with a tab: YAML wants spaces";
  EXPECT_EQ(error("task: classifier\ntrain:\n\tepochs: 3\n"), "paper.yaml:3:8: not valid YAML: illegal map value" + advice);
  EXPECT_THAT(error("task: classifier\ntrain:\n  epochs: 3\n  \tbatch: 2\n"), ::testing::EndsWith(advice));
  EXPECT_THAT(error("\ttask: classifier\n"), ::testing::EndsWith(advice));
  // A tab elsewhere is no error, and not the cause of one.
  EXPECT_EQ(load("task:\tclassifier\t# a remark\n" + kData).task, "classifier");
  EXPECT_THAT(error("task: classifier\ndata:\n\t# a remark\n  a: b: c\n"), ::testing::Not(HasSubstr("tab")));
}

TEST_F(RunConfigTest, ATildeIsRefused) {
  const std::string text = "~ is not expanded in a config; write the whole path";
  EXPECT_EQ(error("task: classifier\ndata: {train: {dataset: ~/faces, split: train}}\n"), "paper.yaml:2:25: '~/faces': " + text);
  EXPECT_EQ(error("task: classifier\n" + kData, {"output=~/runs/a"}), "--set output=~/runs/a: '~/runs/a': " + text);
  EXPECT_NO_THROW(parse_run_config("output: ~/runs/a\n", "of an older run"));
}

TEST_F(RunConfigTest, NothingIsParsedAndIgnored) {
  EXPECT_EQ(error("task: classifier\n" + kData + "loss: {soft_label: true}\n"),
            "paper.yaml:3:8: loss.soft_label has no effect on task classifier; it belongs to emotionnet");
  EXPECT_EQ(error("task: stimuli\n" + kData + "loss: {embedding_weight: 0}\n"),
            "paper.yaml:3:8: loss.embedding_weight has no effect on task stimuli; it belongs to emotionnet");
  EXPECT_EQ(error("task: classifier\n" + kData + "model: {semantic: {regions: 3}}\n"),
            "paper.yaml:3:20: model.semantic.regions has no effect on task classifier; it belongs to stimuli");
}

TEST_F(RunConfigTest, WhatTheUpdateRuleOrTheScheduleHasNoUseForIsRefused) {
  const std::string classifier = "task: classifier\n" + kData;
  EXPECT_EQ(error(classifier + "schedule: {name: cosine, every: 5}\n"),
            "paper.yaml:3:26: schedule.every has no effect with schedule.name: cosine; it belongs to step");
  EXPECT_EQ(error(classifier + "schedule: {milestones: [5]}\n"),
            "paper.yaml:3:12: schedule.milestones has no effect with schedule.name: step; it belongs to multistep");
  EXPECT_EQ(error(classifier + "schedule: {name: constant}\n", {"schedule.gamma=0.5"}),
            "--set schedule.gamma=0.5: schedule.gamma has no effect with schedule.name: constant; it belongs to step, multistep");
  EXPECT_EQ(error(classifier + "optimizer: {name: sgd, betas: [0.8, 0.9]}\n"),
            "paper.yaml:3:24: optimizer.betas has no effect with optimizer.name: sgd; it belongs to adam, adamw");
  EXPECT_EQ(error(classifier, {"optimizer.eps=1e-6"}),
            "--set optimizer.eps=1e-6: optimizer.eps has no effect with optimizer.name: sgd; it belongs to adam, adamw, adagrad, "
            "adadelta");
  for (const char* name : {"adam", "adamw", "adagrad", "adadelta"})
    EXPECT_EQ(load(classifier, {std::string("optimizer.name=") + name, "optimizer.eps=1e-6"}).optimizer.eps, 1e-6) << name;
  for (const char* key : {"momentum=0.5", "nesterov=true", "rho=0.5", "lr_decay=0.5"}) {
    const std::string setting = std::string("optimizer.") + key;
    EXPECT_THAT(error(classifier + "optimizer: {name: adam}\n", {setting}), HasSubstr("has no effect with optimizer.name: adam"));
  }
  EXPECT_EQ(error(classifier, {"optimizer.nesterov=true", "optimizer.momentum=0"}),
            "--set optimizer.momentum=0: optimizer.nesterov wants an optimizer.momentum above 0");
  const std::string emotionnet = "task: emotionnet\n" + kData + "loss: {embedding_weight: 0, soft_label: false";
  EXPECT_EQ(error(emotionnet + ", hard_target: indicator}\n"),
            "paper.yaml:3:61: loss.hard_target: indicator has no effect without loss.soft_label; mean is what is trained on");
  EXPECT_NO_THROW(load(emotionnet + ", hard_target: mean}\n"));
}

// An inherited key, one that a setting takes the use from, and those of a run's own config.yaml, by which it is resumed.
TEST_F(RunConfigTest, WhatWasOfUseBeforeMayStay) {
  const std::string base =
      "task: classifier\n" + kData + "optimizer: {name: sgd, momentum: 0.8}\nschedule: {name: step, every: 5}\n";
  const RunConfig changed = load(base, {"optimizer.name=adam", "schedule.name=cosine"});
  EXPECT_EQ(load(print_run_config(changed)), changed);
  EXPECT_THAT(error(print_run_config(changed), {"schedule.every=3"}), HasSubstr("has no effect with schedule.name: cosine"));
  write_text(folder_.path() / "base.yaml", base);
  EXPECT_NO_THROW(load("extends: base.yaml\noptimizer: {name: adam}\nschedule: {name: cosine}\n"));
  const RunConfig hard = load("task: emotionnet\n" + kData + "loss: {embedding_weight: 0, soft_label: false}\n");
  EXPECT_EQ(load(print_run_config(hard)), hard);
}

// A run's own config.yaml has every key of a section, not only those that could be of no use.
TEST_F(RunConfigTest, SomeKeysOfASectionMakeNoConfigOfARun) {
  EXPECT_EQ(
      error("task: classifier\n" + kData + "schedule: {name: constant, every: 5, gamma: 0.1, milestones: [5], min_lr: 0}\n"),
      "paper.yaml:3:28: schedule.every has no effect with schedule.name: constant; it belongs to step");
  EXPECT_EQ(error("task: emotionnet\n" + kData +
                  "loss: {embedding_weight: 0, soft_label: false, hard_target: indicator, extra_weight: 1}\n"),
            "paper.yaml:3:61: loss.hard_target: indicator has no effect without loss.soft_label; mean is what is trained on");
}

TEST_F(RunConfigTest, AConfigFilledInAProgramIsCheckedAsAFileIs) {
  RunConfig config;
  config.task = "classifier";
  config.data.train = {"d", "train"};
  EXPECT_NO_THROW(check_run_config(config));
  const auto refused = [](const RunConfig& one) { return error_of<ConfigError>([&] { check_run_config(one, "mine"); }); };
  RunConfig bad = config;
  bad.train.batch = -4;
  EXPECT_THAT(refused(bad), ::testing::MatchesRegex("mine:[0-9]+:10: train\\.batch is '-4'; an integer >= 1 is wanted"));
  bad = config;
  bad.optimizer.name = "adm";
  EXPECT_THAT(refused(bad),
              ::testing::EndsWith("optimizer.name is 'adm'; one of sgd, adam, adamw, adagrad, adadelta is wanted; did "
                                  "you mean adam?"));
  bad = config;
  bad.model.backbone = "";
  EXPECT_EQ(refused(bad), "mine: model.backbone is empty; a value is wanted");
  bad = config;
  bad.data.resize = 200;
  EXPECT_THAT(refused(bad), HasSubstr(": data.resize 200 is below data.size 224: "));
  EXPECT_EQ(error_of<ConfigError>([] { check_run_config(RunConfig{}); }),
            "config: data.train is missing; data: {train: {dataset: DIR, split: train}} is wanted");
}

TEST_F(RunConfigTest, ACourseThatCannotBeMeantIsRefused) {
  const std::string classifier = "task: classifier\n" + kData;
  EXPECT_EQ(error(classifier + "schedule: {warmup: 3}\ntrain: {epochs: 3}\n"),
            "paper.yaml:3:20: schedule.warmup 3 is not below train.epochs 3: nothing would follow the warm-up; give fewer epochs "
            "of it");
  EXPECT_EQ(error(classifier + "schedule: {name: cosine, min_lr: 0.5}\noptimizer: {lr: 0.1}\n"),
            "paper.yaml:3:34: schedule.min_lr 0.5 is above optimizer.lr 0.1: the rate would rise; give a lower one");
}

TEST_F(RunConfigTest, TheBestCheckpointIsDecidedByWhatTheTaskIsValidatedBy) {
  EXPECT_EQ(error("task: detector\n" + kData + "checkpoint: {best: top1}\n"),
            "paper.yaml:3:20: checkpoint.best is top1, which a validation of task detector does not give; take one of AP, AP50");
  EXPECT_EQ(
      error("task: classifier\n" + kData, {"checkpoint.best=AP50"}),
      "--set checkpoint.best=AP50: checkpoint.best is AP50, which a validation of task classifier does not give; take one of "
      "top1, top2, top5, mAP, balanced_accuracy, polarity_accuracy, loss");
  EXPECT_EQ(load("task: detector\n" + kData).checkpoint.best, "AP");
  EXPECT_NO_THROW(load("task: detector\n" + kData, {"checkpoint.best=AP50"}));
}

TEST_F(RunConfigTest, NestedSectionsAndLists) {
  const RunConfig config =
      load("task: stimuli\n" + kData + "model: {branches: [global, expression], semantic: {regions: 3, lag: false}}\n",
           {"model.semantic.steps=4"});
  EXPECT_EQ(config.model.branches, (std::vector<std::string>{"global", "expression"}));
  EXPECT_EQ(config.model.semantic.regions, 3);
  EXPECT_EQ(config.model.semantic.steps, 4);
  EXPECT_FALSE(config.model.semantic.lag);
  EXPECT_EQ(parse_run_config(print_run_config(config), "printed"), config);
  EXPECT_EQ(error("task: stimuli\n" + kData + "model: {branches: [global, local]}\n"),
            "paper.yaml:3:28: model.branches is 'local'; a list of global, semantic, expression, each once is wanted; did you "
            "mean global?");
  EXPECT_EQ(error("task: stimuli\n" + kData + "model: {semantic: {region: 3}}\n"),
            "paper.yaml:3:20: unknown key model.semantic.region; did you mean model.semantic.regions?");
}

TEST_F(RunConfigTest, ExtendsMergesAndNamesCircles) {
  write_text(folder_.path() / "base.yaml",
             "task: classifier\n" + kData + "train: {batch: 8, epochs: 3}\nschedule: {name: multistep, milestones: [1, 2]}\n");
  const RunConfig config = load("extends: base.yaml\ntrain: {epochs: 4}\nschedule: {milestones: [5]}\n");
  EXPECT_EQ(config.train.batch, 8);
  EXPECT_EQ(config.train.epochs, 4);
  EXPECT_EQ(config.schedule.milestones, std::vector<int>{5});
  write_text(folder_.path() / "base.yaml", "extends: paper.yaml\n");
  EXPECT_THAT(error("extends: base.yaml\n"), HasSubstr("extends goes in a circle: "));
}

// What is left of a section whose keys were all taken out.
TEST_F(RunConfigTest, ASectionWithoutKeysChangesNothing) {
  write_text(folder_.path() / "base.yaml",
             "task: stimuli\ndata: {train: {dataset: d, split: train}, val: {dataset: d, split: val}}\ntrain: {batch: 8}\n"
             "model: {semantic: {regions: 3}}\n");
  const RunConfig base = load("extends: base.yaml\n");
  EXPECT_EQ(base.train.batch, 8);
  EXPECT_EQ(load("extends: base.yaml\ntrain:\nmodel:\n  semantic:\n"), base);
  EXPECT_EQ(load("extends: base.yaml\n", {"train=", "data="}), base);
  write_text(folder_.path() / "middle.yaml", "extends: base.yaml\ntrain:\n");
  EXPECT_EQ(load("extends: middle.yaml\ntrain: {epochs: 4}\n").train.batch, 8);
  // A key without a value is another matter.
  EXPECT_FALSE(load("extends: base.yaml\ndata:\n  val:\n").data.val);
  EXPECT_THAT(error("extends: base.yaml\ntrain:\n  batch:\n"), HasSubstr("train.batch is empty; an integer >= 1 is wanted"));
}

TEST_F(RunConfigTest, YamlBombsAreRefusedAtOnce) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += fmt::format("a{0}: &a{0} [", i);
    for (int j = 0; j < 10; ++j) bomb += fmt::format("{}*a{}", j ? ", " : "", i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(error(bomb), HasSubstr("more than 10000 values once aliases are expanded; write them out"));
  std::string deep = "a: ";
  for (int i = 0; i < 400; ++i) deep += "[";
  EXPECT_NE(error(deep), "no error");
  EXPECT_THAT(error(std::string((1 << 20) + 1, '#')), HasSubstr("paper.yaml"));
}

TEST_F(RunConfigTest, OneDocumentThatDoesNotBeginWithAComma) {
  EXPECT_EQ(error("task: classifier\n---\nseed: 1\n"), "paper.yaml:2:1: a second YAML document; one is wanted");
  EXPECT_NE(error(",ask: classifier\n" + kData), "no error") << "yaml-cpp's LoadAll never ends on it";
}

TEST_F(RunConfigTest, PrintingAndReadingGivesTheSameConfig) {
  Random random{3};
  for (int i = 0; i < 200; ++i) {
    RunConfig config;
    config.task = i % 2 ? "classifier" : "textcnn";
    config.data.train = {"dir with space/" + std::to_string(i), "train"};
    config.output = i % 3 ? "runs/a" : "quoted \"\\ :#";
    config.optimizer.lr = random.uniform() * 1e-3;
    if (i % 2) config.optimizer.eps = random.uniform(1e-12, 1e-3);
    config.schedule.milestones = {1, static_cast<int>(random.below(100)) + 2};
    config.seed = random();
    const std::string printed = print_run_config(config);
    EXPECT_EQ(parse_run_config(printed, "printed"), config) << printed;
    EXPECT_EQ(print_run_config(parse_run_config(printed, "printed")), printed);
  }
}

TEST_F(RunConfigTest, MutatedFilesAreReadOrRefusedButNeverCrash) {
  const std::string yaml =
      "task: classifier\n" + kData + "train: {batch: 8, epochs: 3}\noptimizer: {name: sgd, betas: [0.9, 0.99]}\n";
  Random random{5};
  for (int i = 0; i < 3000; ++i) {
    std::string mutated = yaml;
    for (int flips = 0; flips < 3; ++flips)
      mutated[random.below(mutated.size())] = "{}[]:,&*!|>'\"#\n\t -a0\x80"[random.below(22)];
    error(mutated);
  }
}

// Names, types, ranges and defaults are an interface.
TEST_F(RunConfigTest, TheSchemaIsTheKeptOne) {
  EXPECT_EQ(run_config_schema(), read_file(std::filesystem::path(EMOTION_TEST_DATA) / "fixtures/schema.txt"))
      << "where the change is meant: emotion_train --schema > tests/config/fixtures/schema.txt";
}

// The default of the key is that of a config; the command itself has another where there is none.
TEST_F(RunConfigTest, TheSchemaSaysWhichSolverAProbeTakes) {
  EXPECT_THAT(
      run_config_schema(),
      HasSubstr("probe.solver: sgd | lbfgs; default sgd; tasks all; lbfgs finds the optimum, sgd follows the papers' recipe; "
                "emotion_probe without --config takes lbfgs by default\n"));
}

/// The project's own configs of runs.
std::vector<std::filesystem::path> project_configs() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::filesystem::path(EMOTION_TEST_DATA) / "../../configs")) {
    const std::string path = entry.path().string();
    // What emotion_reproduce reads: tests/commands/.
    if (path.find("/configs/tables/") != std::string::npos || path.find("/configs/scales/") != std::string::npos) continue;
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  return files;
}

TEST_F(RunConfigTest, EveryConfigOfTheProjectLoads) {
  for (const auto& file : project_configs()) EXPECT_NO_THROW(load_run_config(file, {})) << file;
  EXPECT_GE(project_configs().size(), 10U);
}

// emotion_reproduce makes whatever a row's config names, and the row waits for it.
TEST_F(RunConfigTest, NoConfigOfTheProjectNamesAnInputThatItsTrainingDoesNotRead) {
  for (const auto& file : project_configs()) {
    const RunConfig c = load_run_config(file, {});
    if (c.task == "emotionnet") {
      EXPECT_EQ(c.text.textcnn.empty(), !c.loss.soft_label) << file;
      EXPECT_EQ(c.text.word2vec.empty(), c.loss.embedding_weight == 0) << file;
    }
    if (c.task == "stimuli") {
      const auto has = [&](const char* branch) {
        return std::find(c.model.branches.begin(), c.model.branches.end(), branch) != c.model.branches.end();
      };
      EXPECT_EQ(c.model.init.empty(), !has("global")) << file;
      EXPECT_EQ(c.model.expression_init.empty(), !has("expression")) << file;
    }
  }
}

// T = N: the LSTMs take a step for each region.
TEST_F(RunConfigTest, Fig11VariesTheStepsWithTheRegions) {
  std::set<int> regions;
  for (const auto& file : project_configs()) {
    if (!file.stem().string().starts_with("fig11_regions_")) continue;
    const SemanticConfig semantic = load_run_config(file, {}).model.semantic;
    EXPECT_EQ(semantic.steps, std::max(semantic.regions, 1)) << file;
    regions.insert(semantic.regions);
  }
  EXPECT_THAT(regions, ::testing::ElementsAre(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20));
}

}  // namespace
}  // namespace emotion
