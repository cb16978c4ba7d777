"""Names for synthetic people and streets. Written for this project; nobody in particular."""

from __future__ import annotations

_FAMILY_NAMES = """
    Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans Walker
    White Roberts Green Hall Wood Jackson Clarke Patel Khan Ali Ahmed Hussain Begum Singh Kaur Shah
    Rahman Chowdhury Islam Miah Uddin Iqbal Malik Mahmood Akhtar Hassan Mohamed Abdi Omar Yusuf
    Osman Adeyemi Adebayo Okafor Okonkwo Eze Nwosu Balogun Ogunleye Mensah Owusu Boateng Asante
    Osei Appiah Kamara Sesay Conteh Bangura Koroma Diallo Mbeki Dlamini Campbell Grant Francis
    Joseph Charles Baptiste Bailey Gordon Reid Morgan Palmer Lewis Samuels Barrett Nguyen Tran Pham
    Le Chen Wang Li Zhang Liu Wong Chan Lam Cheung Kim Park Tanaka Sato Silva Santos Costa Ferreira
    Pereira Oliveira Garcia Fernandez Lopez Martinez Rodriguez Gonzalez Vargas Rojas Quispe Rossi
    Russo Bianchi Esposito Kowalski Nowak Wisniewski Zielinski Popescu Ionescu Radu Petrov Ivanova
    Hoxha Krasniqi Yilmaz Demir Kaya Sahin Georgiou Ioannou Papadopoulos Murphy O'Brien Kelly
    Byrne Ryan O'Connor McCarthy Walsh Doyle Gallagher Macdonald Stewart Ross Fraser Murray Hughes
    Griffiths Price Bennett Foster Carter Mitchell Ward Turner Fisher Pearce Holloway Ashdown
    Fairbrother Whitlock Penhaligon D'Souza De-Silva Perera Fernando Gurung Rai Thapa
"""
FAMILY_NAMES = tuple(_FAMILY_NAMES.split())
_GIRLS_AND_WOMEN = """
    Mary Margaret Susan Patricia Linda Christine Carol Jean Joan Dorothy Sheila Barbara Jennifer
    Elizabeth Ann Janet Helen Sandra Jacqueline Karen Julie Sarah Emma Laura Rebecca Claire Lisa
    Nicola Michelle Joanne Amanda Louise Rachel Charlotte Sophie Emily Jessica Hannah Lucy Chloe
    Olivia Amelia Isla Ava Grace Freya Florence Poppy Ivy Evie Fatima Aisha Khadija Zainab Maryam
    Amina Safiya Halima Yasmin Noor Sadia Nadia Shazia Farzana Rukhsana Nasreen Priya Anjali Deepa
    Sunita Meera Kavita Harpreet Manpreet Jaspreet Simran Ngozi Chioma Adaeze Ifeoma Folake Yetunde
    Bukola Temitope Abena Akosua Ama Efua Adwoa Esi Mariama Isatu Fatmata Hawa Marcia Beverley
    Yvonne Shanice Keisha Tamika Natasha Mei Ling Xiu Hui Yan Thuy Lan Huong Linh Minji Yuki
    Maria Ana Carmen Lucia Sofia Valentina Camila Paula Rosa Beatriz Giulia Chiara Francesca
    Agnieszka Katarzyna Magdalena Malgorzata Ioana Elena Andreea Svetlana Olga Elif Zeynep Ayse
    Eleni Despina Niamh Siobhan Aoife Ciara Mairi Eilidh Cerys Bronwen Tenzin Sushila Dilani
"""
GIRLS_AND_WOMEN = tuple(_GIRLS_AND_WOMEN.split())
_BOYS_AND_MEN = """
    John David Peter Michael Robert William James Brian Alan Kenneth Ronald Derek Raymond Keith
    Stephen Paul Andrew Mark Ian Kevin Gary Christopher Simon Philip Martin Richard Daniel Matthew
    Thomas Joseph Luke Adam Ryan Jack Harry Oliver George Noah Arthur Leo Theo Archie Oscar Henry
    Freddie Alfie Charlie Jacob Ethan Mohammed Muhammad Ahmed Ali Hassan Hussein Ibrahim Yusuf Omar
    Bilal Imran Asif Tariq Kamran Usman Hamza Zain Abdul Abdullahi Farah Raj Sanjay Amit Vikram
    Arjun Rohan Kiran Gurpreet Harjit Balwinder Chinedu Emeka Obinna Ikenna Tunde Segun Femi
    Olumide Kwame Kofi Kwaku Yaw Kojo Kwabena Ibrahima Sorie Alusine Winston Delroy Leroy Trevor
    Clive Errol Tyrone Jermaine Marlon Wei Jun Hao Ming Jian Minh Tuan Duc Hung Joon Hiroshi
    Jose Carlos Luis Miguel Juan Diego Andres Mateo Santiago Rafael Joao Marco Luca Giovanni Matteo
    Piotr Krzysztof Tomasz Andrzej Ion Mihai Andrei Dmitri Sergei Mehmet Mustafa Emre Kostas Nikos
    Patrick Sean Declan Liam Conor Hamish Callum Ewan Rhys Dylan Gareth Tashi Suresh Nuwan
"""
BOYS_AND_MEN = tuple(_BOYS_AND_MEN.split())
_STREETS = """
    Acacia Albion Alder Ashgrove Beacon Beechwood Birch Brookside Canal Cedar Chapel Cherry
    Chestnut Church Clover Coopers Copperfield Coronation Cranbrook Dairy Elmwood Fern Foundry
    Garden Goldsmith Granary Grove Harbour Hawthorn Hazel Highfield Holly Hopfield Jubilee Kestrel
    Laburnum Larch Lavender Lime Linden Lock Magnolia Manor Maple Meadow Mill Mulberry Nightingale
    Oakfield Orchard Park Pearl Poplar Primrose Quarry Queens Railway Regent Ridge River Rowan
    Saddler Silver Skylark Spring Station Stonebridge Sycamore Tanner Thornhill Tiller Victoria
    Walnut Waterside Weaver Wharf Willow Windmill Woodland Yew
"""
STREETS = tuple(_STREETS.split())
STREET_KINDS = ("Road", "Street", "Avenue", "Close", "Lane", "Gardens", "Way", "Terrace")
LANGUAGES = (
    ("en", 0.86), ("es", 0.018), ("pt", 0.018), ("fr", 0.014), ("pl", 0.013), ("it", 0.01),
    ("so", 0.01), ("ar", 0.009), ("tr", 0.008), ("ne", 0.008), ("vi", 0.008), ("yo", 0.007),
    ("bn", 0.006), ("zh", 0.006), ("ro", 0.005),
)  # fmt: skip
