import unicodedata, locale

print("안녕 日本 ñ 🎉".encode(), len("🎉"), "ß".upper(), unicodedata.name("é"), locale.getpreferredencoding())
print("안녕 日本")
