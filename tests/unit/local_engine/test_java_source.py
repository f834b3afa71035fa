import time

import pytest

from adapters.local_engine.java_source import inspect, words

_MAIN = "public static void main(String[] args) {}"


@pytest.mark.parametrize(
    ("code", "source", "main"),
    [
        (f"public class Hello {{ {_MAIN} }}", "Hello", "Hello"),
        (f"class Hello {{ {_MAIN} }}", "Main", "Hello"),
        (f"package a.b ; public class Hello {{ {_MAIN} }}", "Hello", "a.b.Hello"),
        (f"class Helper {{}} public class Hello {{ {_MAIN} }}", "Hello", "Hello"),
        (f"public class Data {{}} class Starter {{ {_MAIN} }}", "Data", "Starter"),
        (f"public final strictfp class Hello {{ {_MAIN} }}", "Hello", "Hello"),
        (f"// public class No {{\n/* class No2 {'{'} */ public class Yes {{ {_MAIN} }}", "Yes", "Yes"),
        (f'class A {{ String s = "}} public class B {{"; }} public class C {{ {_MAIN} }}', "C", "C"),
        (f"class A {{ char c = '{{'; }} public class C {{ {_MAIN} }}", "C", "C"),
        (f'class A {{ String s = """\n}} public class B {{ """; }} public class C {{ {_MAIN} }}', "C", "C"),
        (f'@SuppressWarnings({{"x", "y"}}) public class Hello {{ {_MAIN} }}', "Hello", "Hello"),
        (f"public enum Color {{ RED; {_MAIN} }}", "Color", "Color"),
        (f"public record Point(int x) {{ {_MAIN} }}", "Point", "Point"),
        (f"public interface Start {{ {_MAIN.removeprefix('public ')} }}", "Start", "Start"),
        (f"class Outer {{ public static class Inner {{ {_MAIN} }} }}", "Main", "Outer"),
        (f"public class Größe {{ {_MAIN} }}", "Größe", "Größe"),
        (f"public class {'x' * 250} {{ {_MAIN} }}", "Main", "x" * 250),
        ("public class Broken { int", "Main", "Main"),
        ("}}}} nonsense {{{", "Main", "Main"),
        (f"import a.record.B; public class Hello {{ {_MAIN} }}", "Hello", "Hello"),
        (f"@On(Other.class) public class Hello {{ {_MAIN} }}", "Hello", "Hello"),
        ("class A {} class B { final static public void main(String... a) {} }", "Main", "B"),
        ("class A { void main() {} }", "Main", "A"),
        (f"class A {{ void main() {{}} }} class B {{ {_MAIN} }}", "Main", "B"),
        ("record P(int x) {}\nvoid main() { IO.println(new P(1)); }", "Main", "Main"),
        (f"public class A {{ String s = 'x; }} class B {{ {_MAIN} }}", "Main", "Main"),
        (f'public class A {{ String s = "\\\\"; {_MAIN} }}', "A", "A"),
        ("/* public class A {}", "Main", "Main"),
        (f"package {'a.' * 3000}b; class C {{ {_MAIN} }}", "Main", "Main"),
    ],
)
def test_the_file_and_the_main_class_are_found(code, source, main):
    found = inspect(code)

    assert (found.source_class, found.main_class) == (source, main)


def test_a_type_whose_end_is_out_of_sight_still_names_the_file():
    filler = "int n; " * (1 << 17)

    assert inspect(f"package p; public class Long {{ {_MAIN} {filler} }}").main_class == "p.Long"
    assert inspect(f"{filler} public class Late {{ {_MAIN} }}").main_class == "Main"


# One of each kind of thing that a source is made of, again and again.
_HOSTILE = [
    "/*a",
    "/*",
    "package ",
    "package\n",
    "static ",
    "public class A{",
    '"',
    "'",
    '"\\',
    '"""',
    "{",
    "{}",
    "\\",
]


@pytest.mark.parametrize("hostile", _HOSTILE)
def test_the_time_is_linear_in_the_source(hostile):
    def seconds(length):
        code = (hostile * length)[:length]
        began = time.thread_time()
        for _ in words(code):
            pass
        inspect(code)
        return time.thread_time() - began

    short, long = (min(seconds(length) for _ in range(3)) for length in (1 << 13, 1 << 16))

    assert long < 0.01 or long < 30 * short  # eight times as long; sixty-four times if it were quadratic
