from llmplatform.charts import HEIGHT, WIDTH, bars, line


def test_a_line_breaks_where_a_value_is_unknown() -> None:
    drawn = line([0, 50, None, 100, 50], 100)
    assert drawn.path.count("M") == 2 and drawn.area.count("Z") == 2
    assert not drawn.is_empty
    assert line([None, None], 100).is_empty and line([], 100).is_empty


def test_a_single_sample_is_seen() -> None:
    assert " L" in line([None, 5, None], 10).path


def test_values_stay_in_the_box() -> None:
    drawn = line([0, 500], 100)
    numbers = [float(part.strip("ML")) for part in drawn.path.split()]
    assert min(numbers) >= 0 and max(numbers) <= WIDTH
    assert line([3], 0).path


def test_bars_stack_from_the_ground_and_leave_out_the_unknown() -> None:
    first, second = bars([("a", [("good", 3), ("bad", 1)]), ("b", [("good", None), ("bad", 0)])])
    assert [kind for kind, _y, _height in first.parts] == ["good", "bad"]
    (_, good_y, good_height), (_, bad_y, bad_height) = first.parts
    assert good_y + good_height == HEIGHT and abs(bad_y + bad_height - good_y) < 0.2
    assert second.parts == () and second.title == "b"
    assert bars([]) == ()
