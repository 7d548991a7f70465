"""Draws a picture with two faces and notes what Python's dlib finds in it: tests/stimuli/fixtures/faces.{png,json}.

    python make_face_goldens.py ../stimuli/fixtures     (numpy, opencv-python, dlib; the model of Debian's libdlib-data)
"""
import json
import sys

import cv2
import dlib
import numpy as np

MODEL = "/usr/share/dlib/shape_predictor_68_face_landmarks.dat"
FINE = 4  # drawn larger, then averaged


def draw_face(picture, cx, cy, size, angle, skin):
    """A face of `size` pixels around (cx, cy), turned by `angle`; shapes are soft ellipses in the face's own coordinates."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = (x - cx) / size, (y - cy) / size
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)

    def ellipse(ex, ey, a, b, color, soft):
        weight = np.clip((1 - ((u - ex) / a) ** 2 - ((v - ey) / b) ** 2) / soft, 0, 1)[..., None]
        picture[:] = picture * (1 - weight) + np.array(color, np.float64) * weight

    r, g, b = skin
    shade = lambda d: (r + d, g + d, b + d)
    ellipse(0, -.05, .33, .43, (70, 55, 45), .1)  # hair
    ellipse(0, .03, .29, .38, skin, .2)
    for side in (-1, 1):
        ellipse(side * .125, -.06, .085, .05, shade(-45), .9)  # eye socket
        ellipse(side * .125, -.115, .085, .018, shade(-110), .6)  # brow
        ellipse(side * .125, -.05, .055, .024, (228, 226, 222), .4)
        ellipse(side * .125, -.05, .024, .024, (45, 38, 35), .3)
        ellipse(side * .125, -.068, .06, .010, (50, 45, 45), .6)  # lid
        ellipse(side * .035, .10, .018, .012, shade(-90), .6)  # nostril
    ellipse(0, .02, .02, .10, shade(25), .9)  # nose
    ellipse(0, .12, .06, .012, shade(-60), .9)
    ellipse(0, .20, .10, .028, (r - 60, g - 95, b - 90), .5)  # mouth
    ellipse(0, .197, .085, .006, (45, 35, 35), .8)
    ellipse(0, .26, .07, .015, shade(-25), .9)


def main(folder):
    height, width = 200, 300
    fine = np.zeros((height * FINE, width * FINE, 3))
    ramp = np.linspace(0, 1, height * FINE)[:, None, None]
    fine[:] = np.array([150, 175, 200.]) * (1 - ramp) + np.array([90, 110, 80.]) * ramp
    draw_face(fine, 110 * FINE, 100 * FINE, 170 * FINE, 0.15, (205, 165, 140))
    draw_face(fine, 240 * FINE, 90 * FINE, 95 * FINE, 0.0, (190, 150, 130))
    picture = cv2.resize(cv2.GaussianBlur(fine, (0, 0), FINE * 1.2), (width, height), interpolation=cv2.INTER_AREA)
    picture = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    cv2.imwrite(f"{folder}/faces.png", picture[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])

    boxes, scores, _ = dlib.get_frontal_face_detector().run(picture, 1, 0.0)
    faces = sorted(zip(boxes, scores), key=lambda f: -f[0].area())
    shape = dlib.shape_predictor(MODEL)(picture, faces[0][0])
    chip = dlib.get_face_chip(picture, shape, size=48, padding=0.25)
    r, g, b = (chip[:, :, c].astype(np.uint32) for c in range(3))
    golden = {
        "dlib": dlib.__version__,
        "faces": [{"box": [f.left(), f.top(), f.width(), f.height()], "score": s} for f, s in faces],
        "landmarks": [[p.x, p.y] for p in shape.parts()],
        "aligned": ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16).ravel().tolist(),
    }
    with open(f"{folder}/faces.json", "w") as out:
        json.dump(golden, out, separators=(",", ":"))
        out.write("\n")
    print(golden["dlib"], golden["faces"])


if __name__ == "__main__":
    main(sys.argv[1])
