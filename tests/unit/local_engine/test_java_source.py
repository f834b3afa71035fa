import pytest

from adapters.local_engine.java_source import inspect

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
    ],
)
def test_the_file_and_the_main_class_are_found(code, source, main):
    found = inspect(code)

    assert (found.source_class, found.main_class) == (source, main)
