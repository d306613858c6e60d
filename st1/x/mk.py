from going_modular import data_setup as d
from pathlib import Path
import os
P=Path(os.environ["COURSE_DATA_DIR"])/"pizza_steak_sushi/drawn"
c,a,b=d.find_sets(P)
for p,_ in a+b:
    t=Path("../small")/p.relative_to(P).with_suffix(".png"); t.parent.mkdir(parents=True,exist_ok=True)
    d.read_image(p).resize((64,64),2).save(t)
